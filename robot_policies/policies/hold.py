"""A policy without weights: stay where you are.

It needs no torch and starts in no time, so it is what a new robot is brought up with and what
nodes and launch files are tested with.
"""

from collections.abc import Mapping

import numpy as np

from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    Finding,
    Observation,
    ObservationSpec,
    RobotSpec,
    Statistics,
)
from robot_policies.interface.observation import STATE


class HoldPolicy:
    """Target the joint positions measured first after `reset`.

    The first ones and not the newest: following each measurement would let a loaded arm sag.
    """

    name = "hold"
    statistics: Mapping[str, Statistics] = {}
    findings: tuple[Finding, ...] = ()

    def __init__(self, robot: RobotSpec) -> None:
        """Take joint names, units and the control rate from the robot's table."""
        self.robot = robot.name
        joints = robot.joint_names
        units = tuple("m" if joint.sliding else "rad" for joint in robot.joints)
        measured = tuple(f"{joint}.pos" for joint in joints)
        float64 = np.dtype(np.float64)
        self.observation_spec = ObservationSpec(
            {STATE: ArraySpec(STATE, (len(joints),), float64, units, measured)}
        )
        self.action_spec = ActionSpec(
            ActionKind.JOINT_POSITION,
            ArraySpec("action", (len(joints),), float64, units, joints),
            dt=1.0 / robot.control_rate,
            horizon=1,
        )
        self._target: np.ndarray | None = None

    def reset(self, seed: int) -> None:
        """Forget the held position; there is nothing to seed."""
        self._target = None

    def act(self, observation: Observation) -> ActionChunk:
        """Return one row: the held position. Shape (1, n). [rad], [m]."""
        self.observation_spec.validate(observation)
        if self._target is None:
            self._target = np.array(observation[STATE], dtype=np.float64)
        return ActionChunk(
            stamp=observation.stamp,
            dt=self.action_spec.dt,
            values=self._target[None],
            names=self.action_spec.array.names,
            kind=self.action_spec.kind,
        )

    def close(self) -> None:
        """Nothing is held open."""
