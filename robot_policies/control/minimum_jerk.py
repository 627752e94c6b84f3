"""The smoothest movement from rest to rest.

    x(s) = start + (10 s^3 - 15 s^4 + 6 s^5) (goal - start),   s = time / duration in [0, 1]

It is the polynomial of least degree without speed and acceleration at either end, and the one of
least jerk (Flash & Hogan 1985). Its largest speed is 15 / 8 of the way over the duration, its
largest acceleration 10 / sqrt(3) of the way over the duration squared.
"""

import numpy as np

FASTEST, STEEPEST = 15.0 / 8.0, 10.0 / np.sqrt(3.0)


def between(start: np.ndarray, goal: np.ndarray, share: float) -> np.ndarray:
    """Return where a movement is at a share of its time, at the goal from then on. Shape (n,)."""
    if share >= 1.0:
        return goal
    s = max(share, 0.0)
    return start + s**3 * (10.0 - 15.0 * s + 6.0 * s**2) * (goal - start)


def least_time(way: np.ndarray, velocity: np.ndarray, acceleration: np.ndarray) -> float:
    """Return the shortest duration that keeps every limit. [s].

    Args:
        way: From start to goal. Shape (n,). [rad], [m]
        velocity: Speed limits. Shape (n,). [rad/s], [m/s]
        acceleration: Acceleration limits. Shape (n,). [rad/s^2], [m/s^2]
    """
    far = np.abs(way)
    slow, soft = FASTEST * far / velocity, np.sqrt(STEEPEST * far / acceleration)
    return float(max(slow.max(), soft.max()))
