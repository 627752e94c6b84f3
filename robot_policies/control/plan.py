"""A chunk in use: which of its rows is in force, and what lies between them."""

from dataclasses import dataclass

import numpy as np

from robot_policies.interface import JointLimits

TOLERANCE = 1e-6  # rows; room for floating-point time


@dataclass(frozen=True, eq=False)
class Plan:
    """A chunk in use.

    Attributes:
        stamp: Time of the observation it answers. [s]
        start: Time of row 0. [s]
        end: Time from which it has nothing more to say. [s]
        dt: Time between rows. [s]
        values: Shape (rows, width), columns as in the action spec.
        limits: What came with it.
    """

    stamp: float
    start: float
    end: float
    dt: float
    values: np.ndarray
    limits: JointLimits

    def covers(self, now: float) -> bool:
        """Return whether a row is in force."""
        room = TOLERANCE * self.dt
        return self.start <= now + room and now < self.end - room

    def row(self, now: float) -> np.ndarray:
        """Return the row in force, the last one after the end. Shape (width,)."""
        k = int((now - self.start) / self.dt + TOLERANCE)
        return self.values[min(max(k, 0), len(self.values) - 1)]

    def between(self, times: np.ndarray) -> np.ndarray:
        """Return rows interpolated at some times, constant outside. Shape (len(times), width)."""
        at = np.clip((times - self.start) / self.dt, 0.0, len(self.values) - 1.0)
        first = np.minimum(at.astype(int), max(len(self.values) - 2, 0))
        last = np.minimum(first + 1, len(self.values) - 1)
        share = (at - first)[:, None]
        # A row that is met exactly has no part of its neighbour: 0 * inf would be NaN.
        low, high = self.values[first], self.values[last]
        with np.errstate(invalid="ignore", over="ignore"):
            mixed = (1.0 - share) * low + share * high
        return np.where(share == 0.0, low, np.where(share == 1.0, high, mixed))
