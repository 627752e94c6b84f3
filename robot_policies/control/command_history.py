"""The command in force and those before it, one per control slot.

Every measurement opens a slot, and a command that is given in the same slot as another replaces
it. Where answers stayed away and the last command had to serve longer, the step to the next one
stands for as long, when it is judged and when the next step is compared with it.
"""

import numpy as np

from robot_policies.control.rules import CommandStep
from robot_policies.interface import RobotState


class CommandHistory:
    """What steps are judged by.

    Attributes:
        current: The command in force. Shape (n,).
        anchored: Whether it says where the robot is, so that a step from it can be judged.
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
        self.anchor(np.zeros(self._width))
        self.anchored = False

    def anchor(self, pose: np.ndarray) -> None:
        """Begin at rest at a pose. Shape (n,)."""
        self.current = self._previous = pose  # now, and at the end of the slot before
        self._speed = np.zeros(self._width)  # of the step to `_previous`
        self._given = self._given_before = -np.inf  # when each of the two was given
        self.anchored = True

    def open_slot(self) -> None:
        """Keep the command in force as that of the slot before."""
        self._speed = (self.current - self._previous) / self._span(self._given)
        self._previous, self._given_before = self.current, self._given

    def follow(self, target: np.ndarray, now: float) -> None:
        """Take a new command. Shape (n,)."""
        self.current, self._given = target, now

    def shift(self, by: float) -> None:
        """Follow a clock that jumped by some seconds."""
        self._given += by
        self._given_before += by

    def step_to(self, target: np.ndarray, now: float, state: RobotState) -> CommandStep:
        """Return a command in the light of those before it.

        Args:
            target: What is asked for. Shape (n,).
            now: Time. [s]
            state: What the robot measured.
        """
        return CommandStep(target, self._previous, self._speed, self._span(now), now, state)

    def _span(self, now: float) -> float:
        """Return how long a step stands for that is made now. [s]."""
        served = now - self._given_before if np.isfinite(self._given_before) else 0.0
        return min(max(served, self._period), self._longest)
