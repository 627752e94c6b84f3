"""What the limits that come with an action forbid, beside the robot's own rules.

Every rule of both must be silent, so what passes lies in the intersection: limits that come with
an action can forbid more than the robot's, and never allow more.
"""

from dataclasses import replace

import numpy as np

from robot_policies.control.rules import (
    Bound,
    Cause,
    Motion,
    Refusal,
    Rule,
    joint_units,
    leads_inside,
)
from robot_policies.interface import ActionKind, JointLimit, JointLimits, RobotSpec
from robot_policies.interface.errors import suggestion


class Restriction:
    """Judges actions by the limits that come with them."""

    def __init__(self, robot: RobotSpec, kind: ActionKind) -> None:
        """Begin without a limit.

        Args:
            robot: The robot.
            kind: Kind of command it is driven with.
        """
        self._robot, self._kind = robot, kind
        self._limits: JointLimits = {}
        self._rules: tuple[Rule, ...] = ()

    def judge(self, motion: Motion, limits: JointLimits) -> Refusal | None:
        """Refuse a command that the limits forbid, or that they cannot be held against."""
        if limits != self._limits:
            self._rules, self._limits = self._rules_of(limits), limits
        return next((refusal for rule in self._rules if (refusal := rule(motion))), None)

    def _rules_of(self, limits: JointLimits) -> tuple[Rule, ...]:
        robot, period = self._robot, 1.0 / self._robot.control_rate
        names, (units, speeds, _) = robot.joint_names, joint_units(robot)
        strange = next((name for name in limits if name not in names), None)
        if strange is not None:
            text = f"limits on '{strange}', {robot.name} has no such joint."
            return _always(Cause.NAMES, f"{text}{suggestion(strange, names)}", strange)
        if not limits:
            return ()
        if self._kind not in (ActionKind.JOINT_POSITION, ActionKind.JOINT_VELOCITY):
            return _always(Cause.KIND, f"limits on joints cannot be held by {self._kind}")
        asked = [limits.get(name, JointLimit()) for name in names]
        lower = np.maximum(robot.lower, [limit.lower for limit in asked])
        upper = np.minimum(robot.upper, [limit.upper for limit in asked])
        if (lower > upper).any():
            joint = names[int(np.argmax(lower > upper))]
            return _always(Cause.POSITION, f"the limits leave '{joint}' no room", joint)
        fastest = np.minimum(robot.velocity, [limit.velocity for limit in asked])
        position = Bound(Cause.POSITION, "restricted target", names, units, lower, upper)
        speed = Bound(Cause.VELOCITY, "restricted speed", names, speeds, -fastest, fastest)
        if self._kind is ActionKind.JOINT_POSITION:
            return (
                lambda m: _approaches(m, position),
                lambda m: speed.judge((m.target - m.previous) / m.span),
            )
        return lambda m: speed.judge(m.target), lambda m: leads_inside(m, position, period)


def _always(cause: Cause, text: str, joint: str = "") -> tuple[Rule, ...]:
    refusal = Refusal(cause, text, joint)
    return (lambda m: refusal,)


def _approaches(m: Motion, position: Bound) -> Refusal | None:
    # A joint that is outside when a limit comes into force may move, but only back.
    lower, upper = np.minimum(position.lower, m.previous), np.maximum(position.upper, m.previous)
    return replace(position, lower=lower, upper=upper).judge(m.target)
