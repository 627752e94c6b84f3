"""The command in force and those before it, one per control slot.

Every measurement opens a slot, and a command that is given in the same slot as another replaces
it. Where answers stayed away and the last command had to serve longer, the step to the next one
stands for as long.
"""

import numpy as np

from robot_policies.control.rules import Motion
from robot_policies.interface import RobotState


class CommandHistory:
    """What steps are judged by.

    Attributes:
        current: The command in force. Shape (n,).
        previous: That of the slot before. Shape (n,).
        earlier: That of the slot before that. Shape (n,).
        anchored: Whether they say where the robot is, so that a step from them can be judged.
    """

    def __init__(self, width: int, period: float, longest: float) -> None:
        """Begin with nothing known.

        Args:
            width: Number of elements.
            period: Control period. [s]
            longest: A step stands for no longer, however long nothing came. [s]
        """
        self._width, self._period, self._longest = width, period, max(longest, period)
        self.forget()

    def forget(self) -> None:
        """Wait to be anchored."""
        self._rest_at(np.zeros(self._width))
        self.anchored = False

    def anchor(self, pose: np.ndarray) -> None:
        """Begin at rest at a pose. Shape (n,)."""
        self._rest_at(pose)
        self.anchored = True

    def open_slot(self) -> None:
        """Keep the command in force as that of the slot before."""
        self.earlier, self.previous = self.previous, self.current

    def follow(self, target: np.ndarray, now: float) -> None:
        """Take a new command. Shape (n,)."""
        self.current, self._moved = target, now

    def shift(self, by: float) -> None:
        """Follow a clock that jumped by some seconds."""
        self._moved += by

    def motion(self, target: np.ndarray, now: float, state: RobotState) -> Motion:
        """Return a command in the light of those before it.

        Args:
            target: What is asked for. Shape (n,).
            now: Time. [s]
            state: What the robot measured.
        """
        served = now - self._moved if np.isfinite(self._moved) else 0.0
        span = min(max(served, self._period), self._longest)
        return Motion(target, self.previous, self.earlier, span, now, state)

    def _rest_at(self, pose: np.ndarray) -> None:
        self.current = self.previous = self.earlier = pose
        self._moved = -np.inf
