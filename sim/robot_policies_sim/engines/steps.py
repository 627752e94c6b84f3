"""Simulated time goes on in whole steps."""

import numpy as np

from robot_policies.interface import BackendError

SLACK = 1e-6  # of a step; a duration is a float


def whole_steps(dt: float, rate: float, backend: str) -> int:
    """Return how many steps make up a duration.

    Args:
        dt: The duration. [s]
        rate: Steps per second.
        backend: Its name, for the message.

    Raises:
        BackendError: If it is no whole number of steps, at least one.
    """
    steps = dt * rate
    if not (np.isfinite(steps) and round(steps) >= 1 and abs(steps - round(steps)) < SLACK):
        raise BackendError(
            f"{backend}: cannot advance {dt:g} s, no multiple of its step of {1.0 / rate:g} s"
        )
    return round(steps)
