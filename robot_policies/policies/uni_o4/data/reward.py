"""Rewards from what a log of a real quadruped holds: velocity, turn, joints and actions.

Uni-O4's reward for the real Go1 (`reward_aliengo_new.py`, branch `unio4-offline-robot`) compares
commands that were scaled for the network with velocities in the tracker's world frame. `corrected`
compares true commands with velocities in the body frame; `upstream` is theirs, to compare with.
"""

from collections.abc import Mapping

import numpy as np

from robot_policies.interface import ConfigError
from robot_policies.interface.frames import to_world
from robot_policies.interface.observation import VELOCITY_COMMAND

VELOCITY, TURN = "truth.base_velocity", "truth.base_angular_velocity"
ORIENTATION = "truth.base_orientation"
NEEDED = (VELOCITY, TURN, ORIENTATION)
RECORDED = "next.reward"
WIDTH = 0.25  # m^2/s^2 and rad^2/s^2
TRACKING, YAW = 0.8, 0.7
SCALE = 0.1
UPSTREAM_COMMAND_SCALE = np.array([2.0, 2.0, 0.25])


def corrected(columns: Mapping[str, np.ndarray], dt: float) -> np.ndarray:
    """Return the reward of each step but the last: true commands, body frame.

    Args:
        columns: Recorded columns, joints as `joint_position`, `joint_velocity` [rad, rad/s] and
            `policy_action` [policy units]. Shape (n, width) each.
        dt: Time between rows. [s]

    Returns:
        Shape (n - 1,).
    """
    _require(columns)
    return _reward(columns, columns[VELOCITY_COMMAND], columns[VELOCITY], columns[TURN], dt)


def upstream(columns: Mapping[str, np.ndarray], dt: float) -> np.ndarray:
    """Return upstream's reward: scaled commands, world frame. Arguments as of `corrected`."""
    _require(columns)
    velocity, turn = (to_world(columns[ORIENTATION], columns[name]) for name in (VELOCITY, TURN))
    return _reward(columns, columns[VELOCITY_COMMAND] * UPSTREAM_COMMAND_SCALE, velocity, turn, dt)


def recorded(columns: Mapping[str, np.ndarray], dt: float) -> np.ndarray:
    """Return the reward that was recorded with each step. Arguments as of `corrected`."""
    if RECORDED not in columns:
        raise ConfigError(f"no column '{RECORDED}': no reward was recorded")
    return columns[RECORDED][:-1, 0]


def _reward(
    columns: Mapping[str, np.ndarray],
    command: np.ndarray,
    velocity: np.ndarray,
    turn: np.ndarray,
    dt: float,
) -> np.ndarray:
    """Return (tracking + yaw) exp(-costs) / 10; row k is judged by what was measured after it."""
    action, speed = columns["policy_action"], columns["joint_velocity"]
    before = action[np.maximum(np.arange(len(action)) - 1, 0)]
    long_before = action[np.maximum(np.arange(len(action)) - 2, 0)]
    smooth = _squares(action - before)
    smoother = _squares(action - 2.0 * before + long_before)
    command, velocity, turn = command[:-1], velocity[1:], turn[1:]
    tracking = np.exp(-_squares(command[:, :2] - velocity[:, :2]) / WIDTH)
    yaw = np.exp(-np.square(command[:, 2] - turn[:, 2]) / WIDTH)
    cost = (
        0.02 * np.square(velocity[:, 2])
        + 0.001 * _squares(turn[:, :2])
        + 5e-5 * _squares(action[:-1])
        + 2.5e-7 * _squares(np.diff(speed, axis=0) / dt)
        + 0.01 * smooth[:-1]
        + 1e-4 * _squares(speed[1:])
        + 0.1 * (smooth[:-1] + smoother[:-1])
    )
    return SCALE * (TRACKING * tracking + YAW * yaw) * np.exp(-cost)


def _require(columns: Mapping[str, np.ndarray]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise ConfigError(f"no reward without {missing}: nothing says how the robot moved")


def _squares(values: np.ndarray) -> np.ndarray:
    return np.square(values).sum(-1)
