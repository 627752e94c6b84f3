"""A way back after a hold, a refusal or damping: steps towards an action that is too far away.

Steps lie on the straight line from the command before to the action, so that all joints are
scaled alike, and every step satisfies every rule.
"""

from dataclasses import replace

import numpy as np

from robot_policies.control.rules import CommandStep, Rules

SHARES = (1.0, 0.75, 0.5, 0.25, 0.1, 0.05)  # of the longest step that is tried, in turn


class Approach:
    """One approach after the other."""

    def __init__(self, velocity: np.ndarray, longest: float) -> None:
        """Begin with none under way.

        Args:
            velocity: Speed limits, infinite for what is no position. Shape (n,).
            longest: How long one may take. [s]
        """
        self._velocity, self._longest = velocity, longest
        self.end()

    def end(self) -> None:
        """End the one under way; the next may take its full time."""
        self._since = np.inf

    def shift(self, by: float) -> None:
        """Follow a clock that jumped by some seconds."""
        self._since += by

    def step(self, refused: CommandStep, rules: Rules, under_way: bool) -> CommandStep | None:
        """Return the longest step towards an action that is only too far away.

        The longest that is tried is as long as the speed limits allow.

        Args:
            refused: The step of the action that was refused.
            rules: What a step must satisfy.
            under_way: Whether the robot followed its policy until now. The first refusal of such
                a robot is no way back from anything.

        Returns:
            A step that every rule allows; `None` if none is found, or nothing is approached now.
        """
        begins = self._since == np.inf
        if begins and under_way:
            return None
        since = 0.0 if begins else refused.now - self._since
        if since >= self._longest or rules.judge_place(refused):
            return None
        way = refused.target - refused.previous
        whole = 1.0 / max(1.0, float(np.max(np.abs(way) / (self._velocity * refused.span))))
        for share in SHARES:
            step = replace(refused, target=refused.previous + whole * share * way)
            if rules.judge(step) is None:
                self._since = refused.now if begins else self._since
                return step
        return None
