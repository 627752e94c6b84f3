"""What every policy is to the rest of the package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from robot_policies.interface.action import ActionChunk, ActionSpec
from robot_policies.interface.findings import Finding
from robot_policies.interface.observation import Observation, ObservationSpec


@dataclass(frozen=True, eq=False)
class Statistics:
    """Normalisation statistics of one feature, in the feature's own unit.

    Attributes:
        mode: LeRobot's normalisation mode: `IDENTITY`, `MEAN_STD`, `MIN_MAX`, `QUANTILES`, ...
        values: Statistic name (`mean`, `std`, `min`, `max`, ...) to an array of the element width.
    """

    mode: str
    values: Mapping[str, np.ndarray]


@runtime_checkable
class Policy(Protocol):
    """A learned or scripted behaviour.

    Legal sequence: `reset`, then any number of `act`, then `reset` again or `close`.

    Attributes:
        name: What the policy was loaded as.
        robot: Name of the robot it was trained for; empty if the checkpoint does not say.
        observation_spec: Features it needs.
        action_spec: Actions it produces.
        statistics: Normalisation statistics per feature, `action` included; empty if it has none.
        findings: What was found when it was loaded; every check of it lists them.
    """

    name: str
    robot: str
    observation_spec: ObservationSpec
    action_spec: ActionSpec
    statistics: Mapping[str, Statistics]
    findings: tuple[Finding, ...]

    def reset(self, seed: int) -> None:
        """Forget the episode and seed whatever the policy samples."""
        ...

    def act(self, observation: Observation) -> ActionChunk:
        """Answer an observation; never blocks on I/O.

        Raises:
            ContractError: If the observation breaks `observation_spec`.
        """
        ...

    def close(self) -> None:
        """Release what the policy holds; may be called twice."""
        ...


class Skills(Protocol):
    """What is added to the weights of a policy, and changes while it acts.

    Legal sequence: `prepare` in any thread, which may take seconds; `put` what it returned.

    Attributes:
        weights: How much of each skill acts now, by name.
    """

    weights: Mapping[str, float]

    def prepare(self, skills: Sequence[str], weights: Sequence[float], fallback: str = "") -> Any:
        """Read and check skills, and return them ready for `put`; what acts is not touched.

        Args:
            skills: Absolute folders, or names in the library, as `name` or `name@version`.
            weights: One for each, or none to weigh them by context.
            fallback: The skill among them that acts far from all training states.

        Raises:
            RobotPoliciesError: In one line: which skill or weight, and why it is refused.
        """
        ...

    def put(self, prepared: Any) -> None:
        """Let other skills act from the next answer on."""
        ...


@runtime_checkable
class SkilledPolicy(Policy, Protocol):
    """A policy that takes skills.

    Attributes:
        skills: What is added to its weights.
    """

    skills: Skills
