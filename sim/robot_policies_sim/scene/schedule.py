"""What happens to a robot or its world at given times of an episode."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError
from robot_policies.interface.schema import check_keys, vector

FIRST, APART, KICKS = 3.0, 3.0, 100  # s; number of kicks, more than an episode lasts


@dataclass(frozen=True, eq=False)
class Push:
    """A kick.

    Attributes:
        time: When. [s]
        velocity: Added to the base's velocity, world frame. Shape (3,). [m/s]
    """

    time: float
    velocity: np.ndarray


@dataclass(frozen=True, eq=False)
class Course:
    """How a thing that is held in place moves during an episode.

    Attributes:
        times: Rising; before the first and after the last it stands still. Shape (n,). [s]
        poses: Position [m] and quaternion x, y, z, w at these times. Shape (n, 7).
    """

    times: np.ndarray
    poses: np.ndarray

    def at(self, now: float) -> np.ndarray:
        """Return the pose at a time [s], on the straight line between two. Shape (7,)."""
        pose = np.array([np.interp(now, self.times, column) for column in self.poses.T])
        pose[3:] /= np.linalg.norm(pose[3:])
        return pose


def read_push(push: Any, where: str) -> Push:
    """Read `time` and `velocity`.

    Raises:
        ConfigError: Naming what is wrong.
    """
    check_keys(push, ("time", "velocity"), where)
    velocity = vector(push.get("velocity"), 3, f"{where}.velocity")
    return Push(float(vector(push.get("time"), 1, f"{where}.time")[0]), velocity)


def read_course(rows: Any, where: str) -> Course:
    """Read rows of time and pose.

    Raises:
        ConfigError: Naming what is wrong.
    """
    table = np.array([vector(row, 8, f"{where}[{i}]") for i, row in enumerate(rows)])
    if not len(table) or not (np.diff(table[:, 0]) > 0.0).all():
        raise ConfigError(f"{where}: needs rows of time and pose, times rising")
    if not (np.abs(np.linalg.norm(table[:, 4:], axis=1) - 1.0) < 1e-6).all():
        raise ConfigError(f"{where}: a row without a unit quaternion")
    return Course(table[:, 0], table[:, 1:])


def kicks(speed: float, rng: np.random.Generator) -> tuple[Push, ...]:
    """Return a kick every few seconds, in the plane, each in a direction of its own.

    Args:
        speed: How much each adds to the base's velocity. [m/s]
        rng: Source of the directions.
    """
    if not speed:
        return ()
    angles = rng.uniform(-np.pi, np.pi, KICKS)
    velocities = speed * np.column_stack([np.cos(angles), np.sin(angles), np.zeros(KICKS)])
    return tuple(Push(FIRST + k * APART, velocity) for k, velocity in enumerate(velocities))
