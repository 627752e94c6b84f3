"""Pauses of a thread that should run at a steady rate, seen from inside.

A watchdog in such a thread must not take its own lateness for somebody else's silence: what it
measures lasts only for as long as it looked.
"""

import numpy as np


class Pauses:
    """Finds them, step by step.

    Attributes:
        length: How long the pause lasted that is not over yet, 0 if there is none. [s]
        end: When it ended. [s]
        looked: How long the thread has run since. [s]
    """

    def __init__(self, longest: float) -> None:
        """Begin before the first step.

        Args:
            longest: A step that takes longer is a pause. [s]
        """
        self._longest, self._now = longest, np.inf
        self.over()

    def over(self) -> None:
        """Forget a pause whose consequences are dealt with."""
        self.length, self.end, self.looked = 0.0, -np.inf, 0.0

    def step(self, now: float) -> float:
        """Take the time of a step; return how much of it was lost. [s]."""
        took, self._now = now - self._now, now
        lost = max(took - self._longest, 0.0)
        if self.length:
            self.looked += took - lost
        if lost:
            self.length, self.end = self.length + took, now
        return lost
