"""Gravity, and when a walking robot has fallen: the same for trials, training and logs."""

import numpy as np

GRAVITY = 9.81  # m/s^2, what MuJoCo has by default; the standard is 9.80665
DOWN = np.array([0.0, 0.0, -1.0])  # in the world frame
UP = np.array([0.0, 0.0, 1.0])  # times GRAVITY, what an accelerometer at rest measures
for _direction in (DOWN, UP):
    _direction.setflags(write=False)

FALL_HEIGHT = 0.16  # m, the trunk of a Go1 nearly on the ground
FALL_GRAVITY = -0.6  # downward part of gravity in the body frame: 53 degrees of tilt


def has_fallen(down: np.ndarray | float, height: np.ndarray | float) -> np.ndarray:
    """Return whether a walking robot lies or is about to; a number that is NaN is a fall.

    Args:
        down: Third element of the direction of gravity in the body frame. Shape (...).
        height: Of the trunk above the ground; infinite where nobody knows it. Shape (...). [m]
    """
    return ~np.logical_and(
        np.less_equal(down, FALL_GRAVITY), np.greater_equal(height, FALL_HEIGHT)
    )
