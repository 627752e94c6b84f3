"""What an action must be by itself, whatever was commanded before it."""

import numpy as np

from robot_policies.control.refusal import Cause, Refusal
from robot_policies.interface import Action, ActionKind


class ActionJudge:
    """Judges kind, names, numbers and age of actions."""

    def __init__(
        self, kind: ActionKind, names: tuple[str, ...], period: float, plan_age: float
    ) -> None:
        """Take what is expected.

        Args:
            kind: The kind of the commands.
            names: Their elements, in the order of the commands.
            period: Control period; the policy's clock may be ahead by as much. [s]
            plan_age: Oldest observation whose plan may still be followed. [s]
        """
        self._kind, self._names = kind, names
        self._period, self._plan_age = period, plan_age

    def judge(self, action: Action, now: float) -> Refusal | None:
        """Refuse what cannot be compared with any other command."""
        if action.kind is not self._kind:
            return Refusal(Cause.KIND, f"action is {action.kind}, expected {self._kind}")
        if sorted(action.names) != sorted(self._names) or len(action.values) != len(self._names):
            return Refusal(Cause.NAMES, f"action names {action.names}, expected {self._names}")
        finite = np.isfinite(action.values)
        if not finite.all():
            i = int(np.argmin(finite))
            text = f"action {action.names[i]} = {action.values[i]} is not finite"
            return Refusal(Cause.NOT_FINITE, text, action.names[i], float(action.values[i]))
        age, limit = now - action.stamp, self._plan_age
        if not -self._period <= age <= limit:
            cause = Cause.STALE_ACTION if age > limit else Cause.CLOCK
            text = f"action answers an observation {age:.3f} s old, allowed 0 to {limit:.3f} s"
            return Refusal(cause, text, "", age, limit, limit - age)
        return None

    def target(self, action: Action) -> np.ndarray:
        """Return the values in the order of the commands. Shape (n,)."""
        return np.array([action.values[action.names.index(name)] for name in self._names])
