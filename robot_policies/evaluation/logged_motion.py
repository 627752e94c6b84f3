"""Recorded episodes as motion to be replayed: joints, commands and the base, in SI, by name."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from robot_policies.data.dataset import read_info
from robot_policies.data.reading import open_dataset
from robot_policies.interface import RobotSpec
from robot_policies_sim.engines.mujoco.replayed_motion import Motion
from robot_policies_sim.engines.replay.logged_episode import LoggedEpisode, read_episode
from robot_policies_sim.engines.replay.logged_robot import find_motion, find_vectors

ACTION = "action"
BASE = tuple(
    f"truth.base_{name}" for name in ("position", "orientation", "velocity", "angular_velocity")
)
OUTLIER = "truth.velocity_outlier"


def read_motions(root: Path, robot: RobotSpec, episodes: Sequence[int] = ()) -> list[Motion]:
    """Read the longest stretch without a break of each episode.

    Args:
        root: A LeRobotDataset v3 folder, a row per control period.
        robot: The robot.
        episodes: Which; all if empty.

    Raises:
        ConfigError: If it is of another robot or rate, or something needed was not recorded.
    """
    recorded = open_dataset(root)
    recorded.require_robot(robot.name)
    recorded.require_rate(robot.control_rate)
    vectors = find_vectors(recorded, robot)
    units = ["m" if joint.sliding else "rad" for joint in robot.joints]
    action = recorded.vector(ACTION, robot.joint_names, units, robot)
    if robot.floating_base:
        for name in BASE:
            recorded.elements(name)  # says what is missing
    found = []
    for index in episodes or range(read_info(root)["total_episodes"]):
        log = read_episode(root, index)
        joints, stretch, _ = find_motion(log, vectors, robot)
        rows, n = slice(stretch.start, stretch.stop), len(robot.joints)
        target = action.of(log.columns[ACTION])
        base = _base(log) if robot.floating_base else None
        numbers = [joints, target] if base is None else [joints, target, base]
        usable = np.asarray(np.isfinite(np.hstack(numbers)).all(axis=1))
        if OUTLIER in log.columns:
            usable &= ~np.asarray(log.columns[OUTLIER], bool).reshape(-1)
        found.append(
            Motion(
                joints[rows, :n],
                joints[rows, n:],
                target[rows],
                None if base is None else base[rows],
                usable[rows],
            )
        )
    return found


def _base(log: LoggedEpisode) -> np.ndarray:
    """Return what `Motion.base` holds. Shape (rows, 13)."""
    return np.hstack([np.asarray(log.columns[name], np.float64) for name in BASE])
