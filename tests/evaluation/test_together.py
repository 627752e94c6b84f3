"""An episode among many is the episode alone."""

from collections.abc import Mapping

import numpy as np
import pytest

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.evaluation.together import run_together
from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    Finding,
    ObservationSpec,
    Simulator,
    Statistics,
)
from robot_policies.interface.observation import STATE

ROBOT = load_robot("planar_arm")
TASK = load_task("arm_reach_avoid/avoid")
NAMES = tuple(f"{joint}.pos" for joint in ROBOT.joint_names)


class Wander:
    """Moves each joint by its position and by noise of its own, for one row or for many."""

    name, robot = "wander", "planar_arm"
    statistics: Mapping[str, Statistics] = {}
    findings: tuple[Finding, ...] = ()
    observation_spec = ObservationSpec({STATE: ArraySpec(STATE, (4,), unit="rad", names=NAMES)})
    action_spec = ActionSpec(
        ActionKind.JOINT_VELOCITY,
        ArraySpec("action", (4,), np.dtype(np.float64), "rad/s", ROBOT.joint_names),
        dt=0.1,
        horizon=1,
    )

    def __init__(self) -> None:
        self.noise: dict[int, np.random.Generator] = {}
        self.sizes: list[int] = []

    def reset_row(self, row, seed):
        self.noise[row] = np.random.default_rng(seed)

    def act_together(self, rows, observations):
        self.sizes.append(len(rows))
        return [self._chunk(self.noise[r], o) for r, o in zip(rows, observations, strict=True)]

    def reset(self, seed):
        self.reset_row(0, seed)

    def act(self, observation):
        return self._chunk(self.noise[0], observation)

    def close(self):
        pass

    def _chunk(self, noise, observation):
        speed = 0.5 * np.sin(observation[STATE]) + 0.2 * noise.standard_normal(4)
        spec = self.action_spec
        return ActionChunk(observation.stamp, spec.dt, speed[None], spec.array.names, spec.kind)


class Broken(Wander):
    """Cannot answer."""

    def act_together(self, rows, observations):
        raise ZeroDivisionError


def make_simulator() -> Simulator:
    backend = make_backend("mujoco", ROBOT, TASK.scene)
    assert isinstance(backend, Simulator)
    return backend


def test_an_episode_among_many_is_the_episode_alone():
    seeds, crowd = list(range(7)), Wander()
    together = run_together(crowd, TASK, make_simulator, seeds, 3)
    alone = make_simulator()
    alone.connect()
    assert together == [run_episode(alone, Wander(), TASK, seed=seed) for seed in seeds]
    assert crowd.sizes[0] == 3
    assert len(crowd.sizes) < sum(crowd.sizes)


def test_what_goes_wrong_in_one_ends_all():
    with pytest.raises(ZeroDivisionError):
        run_together(Broken(), TASK, make_simulator, [0, 1, 2], 2)
