"""The actions of a recorded episode as a policy, to see what another robot makes of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    ConfigError,
    Observation,
    ObservationSpec,
    RobotSpec,
    RobotState,
    Statistics,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import STATE

ACTION = "action"


class RecordedActions:
    """Answers with the recorded action of the moment, and with the last one after the end.

    Attributes:
        duration: Length of the recording. [s]
    """

    name = "recorded"
    statistics: Mapping[str, Statistics] = {}

    def __init__(self, dataset: Path, episode: int, robot: RobotSpec) -> None:
        """Read an episode.

        Args:
            dataset: LeRobotDataset v3 folder.
            episode: Episode number, from 0.
            robot: The robot that is to follow; joints are matched by name.

        Raises:
            ConfigError: If the episode cannot be read, or was not made by such a robot.
        """
        from robot_policies_sim.logged_episode import read_episode

        log = read_episode(dataset, episode)
        joints = robot.joint_names
        measured = tuple(f"{joint}.pos" for joint in joints)
        self._actions = _by_name(log.columns, log.features, ACTION, joints, dataset)
        self._positions = _by_name(log.columns, log.features, STATE, measured, dataset)
        self.robot = robot.name
        self.duration = len(log) / log.fps
        self._dt, self._start = 1.0 / log.fps, None
        float64 = np.dtype(np.float64)
        units = tuple("m" if joint.sliding else "rad" for joint in robot.joints)
        self.observation_spec = ObservationSpec(
            {STATE: ArraySpec(STATE, (len(joints),), float64, units, measured)}
        )
        self.action_spec = ActionSpec(
            ActionKind.JOINT_POSITION,
            ArraySpec(ACTION, (len(joints),), float64, units, joints),
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

    def close(self) -> None:
        """Nothing is held open."""

    def deviation(self, elapsed: float, state: RobotState) -> np.ndarray:
        """Return how far the joints are from the recorded ones then. Shape (n,). [rad], [m]."""
        return state.joint_position - self._positions[self._row(elapsed)]

    def _row(self, elapsed: float) -> int:
        return min(max(round(elapsed / self._dt), 0), len(self._actions) - 1)


def _by_name(
    columns: Mapping[str, np.ndarray],
    features: Mapping[str, Mapping[str, Any]],
    feature: str,
    wanted: tuple[str, ...],
    dataset: Path,
) -> np.ndarray:
    """Return a column in the order of names. Shape (rows, n)."""
    if feature not in features:
        raise ConfigError(f"{dataset}: no '{feature}'.{suggestion(feature, features)}")
    names: list[str] = list(features[feature].get("names") or ())
    for name in wanted:
        if name not in names:
            raise ConfigError(f"{dataset}: {feature} has no '{name}'.{suggestion(name, names)}")
    return np.asarray(columns[feature])[:, [names.index(name) for name in wanted]].astype(float)
