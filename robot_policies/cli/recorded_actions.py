"""The actions of a recorded episode as a policy, to see what another robot makes of them.

They are joint positions, or joint velocities where the data set says so by its units.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

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
    RobotState,
    Statistics,
)
from robot_policies.interface.observation import STATE

ACTION = "action"


class RecordedActions:
    """Answers with the recorded action of the moment, and with the last one after the end.

    Attributes:
        duration: Length of the recording. [s]
    """

    name = "recorded"
    statistics: Mapping[str, Statistics] = {}
    findings: tuple[Finding, ...] = ()

    def __init__(
        self, dataset: Path, episode: int, robot: RobotSpec, stated: Sequence[str] = ()
    ) -> None:
        """Read an episode.

        Args:
            dataset: LeRobotDataset v3 folder.
            episode: Episode number, from 0.
            robot: The robot that is to follow; joints are matched by name.
            stated: Units of its joints, as `open_dataset` takes them.

        Raises:
            ConfigError: If the episode cannot be read, or was not made by such a robot, or does
                not say its units.
        """
        from robot_policies.data.reading import open_dataset
        from robot_policies_sim.engines.replay.logged_episode import read_episode

        recorded = open_dataset(dataset, stated)
        recorded.require_robot(robot.name)
        joints = robot.joint_names
        measured = tuple(f"{joint}.pos" for joint in joints)
        units = tuple("m" if joint.sliding else "rad" for joint in robot.joints)
        speeds = tuple(f"{unit}/s" for unit in units)
        recorded_units = set(recorded.units(ACTION))
        turns = bool(recorded_units) and recorded_units <= {*speeds, "deg/s"}
        action_units = speeds if turns else units
        actions = recorded.vector(ACTION, joints, action_units, robot)
        positions = recorded.vector(STATE, measured, units, robot)
        log = read_episode(dataset, episode)
        self._actions = actions.of(log.columns[ACTION])
        self._positions = positions.of(log.columns[STATE])
        self.robot = robot.name
        self._dt = recorded.periods_per_row(robot.control_rate) / robot.control_rate
        self._start = None
        self.duration = len(log) * self._dt
        float64 = np.dtype(np.float64)
        self.observation_spec = ObservationSpec(
            {STATE: ArraySpec(STATE, (len(joints),), float64, units, measured)}
        )
        self.action_spec = ActionSpec(
            ActionKind.JOINT_VELOCITY if turns else ActionKind.JOINT_POSITION,
            ArraySpec(ACTION, (len(joints),), float64, action_units, joints),
            dt=self._dt,
            horizon=1,
        )

    def reset(self, seed: int) -> None:
        """Go back to the first action; there is nothing to seed."""
        self._start = None

    def act(self, observation: Observation) -> ActionChunk:
        """Return the action recorded as long after the start. Shape (1, n). [rad], [m]."""
        if self._start is None:
            self._start = observation.stamp
        row = self._row(observation.stamp - self._start)
        names = self.action_spec.array.names
        return ActionChunk(observation.stamp, self._dt, self._actions[row : row + 1], names)

    @property
    def first_pose(self) -> dict[str, float]:
        """The joints of row 0, by name. [rad], [m]."""
        names = self.action_spec.array.names
        return dict(zip(names, self._positions[0].tolist(), strict=True))

    def close(self) -> None:
        """Nothing is held open."""

    def deviation(self, elapsed: float, state: RobotState) -> np.ndarray:
        """Return how far the joints are from the recorded ones then. Shape (n,). [rad], [m]."""
        return state.joint_position - self._positions[self._row(elapsed)]

    def _row(self, elapsed: float) -> int:
        """Return the row nearest to a time, round(t / dt); beyond the ends, the first or last."""
        return min(max(round(elapsed / self._dt), 0), len(self._actions) - 1)
