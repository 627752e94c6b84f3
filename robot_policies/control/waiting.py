"""How long there was no valid action, and what that means for the robot.

Holding counts as long as somebody asked: what a machine slept through was not held.
"""

import numpy as np

from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.control.verdict import Level
from robot_policies.interface.backend import ROUNDING


class Waiting:
    """The wait for one policy."""

    def __init__(self, limits: SafetyLimits, period: float) -> None:
        """Begin before the first action.

        Args:
            limits: How long what may last.
            period: Control period. [s]
        """
        self._limits, self._period = limits, period
        self.forget()

    def forget(self) -> None:
        """Wait for the first action."""
        self._valid = self._checked = -np.inf
        self._held = 0.0  # s

    def shift(self, by: float) -> None:
        """Follow a clock that jumped by some seconds."""
        self._valid += by
        self._checked += by

    def over(self, now: float) -> None:
        """Note a valid action."""
        self._valid, self._held = now, 0.0

    def asked(self, now: float, holds: bool) -> None:
        """Note that the gate was asked, and whether the robot holds."""
        self._held += min(now - self._checked, 2.0 * self._period) if holds else 0.0
        self._checked = now

    @property
    def begun(self) -> bool:
        """Whether there was a valid action."""
        return self._valid > -np.inf

    def level(self, now: float) -> Level:
        """Return `PASS` while the last command may serve, then `HOLD`, then `DAMP`."""
        limits, idle = self._limits, now - self._valid
        # Until the last step at which holding can begin and still be in time.
        if idle + self._period <= limits.command_timeout * (1.0 + ROUNDING):
            return Level.PASS
        if self._held >= limits.hold_time * (1.0 - ROUNDING) and self.begun:
            return Level.DAMP
        return Level.HOLD

    def refusal(self, now: float) -> Refusal:
        """Return what is said while the robot waits."""
        idle, limit = now - self._valid, self._limits.command_timeout
        if not self.begun:
            return Refusal(Cause.NO_ACTION, "no action yet, holding the pose found")
        text = f"waiting for the policy, {idle:.2f} s without a valid action, limit {limit:.2f} s"
        return Refusal(Cause.NO_ACTION, text, "", idle, limit, limit - idle)
