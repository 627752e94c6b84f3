"""What scripted experts have in common: they answer with one row, and hold nothing open."""

from collections.abc import Mapping

import numpy as np

from robot_policies.interface import (
    ActionChunk,
    ActionSpec,
    ArraySpec,
    Finding,
    Observation,
    ObservationSpec,
    RobotSpec,
    Statistics,
)
from robot_policies.interface.observation import STATE


class ScriptedExpert:
    """A `Policy` but for `reset` and `act`, which each expert has of its own.

    Attributes:
        robot: Name of the robot's table.
        observation_spec: What it is shown; what it knows besides it asks the simulator.
        action_spec: What it answers with, one row at a time.
    """

    name = "expert"
    statistics: Mapping[str, Statistics] = {}
    findings: tuple[Finding, ...] = ()
    robot: str
    observation_spec: ObservationSpec
    action_spec: ActionSpec

    def answer(self, observation: Observation, row: np.ndarray) -> ActionChunk:
        """Return one row as a chunk. Shape (A,) -> (1, A)."""
        spec = self.action_spec
        return ActionChunk(observation.stamp, spec.dt, row[None], spec.array.names, spec.kind)

    def close(self) -> None:
        """Nothing is held open; the simulator is its owner's."""


def measured_joints(robot: RobotSpec) -> ArraySpec:
    """Return the spec of an arm's measured joint positions. Shape (n_joints,). [rad]."""
    names = tuple(f"{joint}.pos" for joint in robot.joint_names)
    return ArraySpec(STATE, (len(names),), np.dtype(np.float64), "rad", names)
