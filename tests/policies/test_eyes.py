"""A policy that does not look is found out."""

from collections.abc import Mapping

import numpy as np
import pytest

from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    Finding,
    Observation,
    ObservationSpec,
    Statistics,
)
from robot_policies.policies.eyes import audit_eyes

TOP = "observation.images.top"


class Looker:
    """Answers with the picture's mean, if it looks."""

    name, robot = "looker", "so101"
    statistics: Mapping[str, Statistics] = {}
    findings: tuple[Finding, ...] = ()
    action_spec = ActionSpec(
        ActionKind.JOINT_POSITION,
        ArraySpec("action", (1,), np.dtype(np.float64), "rad", ("gripper",)),
        dt=0.1,
        horizon=1,
    )

    def __init__(self, share: float, *features: ArraySpec) -> None:
        self.share = share
        self.observation_spec = ObservationSpec({spec.name: spec for spec in features})

    def reset(self, seed: int) -> None:
        """Nothing is remembered."""

    def act(self, observation: Observation) -> ActionChunk:
        seen = self.share * np.mean(np.asarray(observation[TOP]))
        return ActionChunk(observation.stamp, 0.1, np.array([[seen]]), ("gripper",))

    def close(self) -> None:
        """Nothing is open."""


PICTURE = ArraySpec(TOP, (4, 4, 3), np.dtype(np.uint8))


@pytest.mark.parametrize(("share", "codes"), [(1.0, []), (0.0, ["blind"])])
def test_who_answers_black_and_white_alike_does_not_look(share, codes):
    found = list(audit_eyes(Looker(share, PICTURE)))
    assert [finding.code for finding in found] == codes
    assert all("does not look at observation.images.top" in f.message for f in found)


def test_who_has_no_pictures_is_not_asked():
    assert not list(audit_eyes(Looker(0.0)))
