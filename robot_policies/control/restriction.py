"""What the limits that come with an action forbid, beside the robot's own rules.

Every rule of both must be silent, so what passes lies in the intersection: limits that come with
an action can forbid more than the robot's, and never allow more.
"""

from dataclasses import replace

import numpy as np

from robot_policies.control.bounds import Bound, joint_units
from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.rules import CommandStep, Rules, leads_inside, pace_rule
from robot_policies.control.speed_envelope import SpeedEnvelope
from robot_policies.interface import ActionKind, JointLimit, JointLimits, RobotSpec
from robot_policies.interface.errors import suggestion

NO_RULES = Rules()


class Restriction:
    """The rules that the limits of the newest action make."""

    def __init__(self, robot: RobotSpec, kind: ActionKind) -> None:
        """Begin without a limit.

        Args:
            robot: The robot.
            kind: Kind of command it is driven with.
        """
        self._robot, self._kind = robot, kind
        self._limits: JointLimits = {}
        self._rules = NO_RULES

    def rules(self, limits: JointLimits, target: np.ndarray, now: float) -> Rules:
        """Return what a command must satisfy beside the robot's own rules.

        Args:
            limits: What came with the action.
            target: The target in force, from which a new speed limit counts. Shape (n,).
            now: Time. [s]
        """
        if limits != self._limits:
            self._rules, self._limits = self._rules_of(limits), limits
            if self._rules.envelope:
                self._rules.envelope.start(target, now)
        return self._rules

    def _rules_of(self, limits: JointLimits) -> Rules:
        robot, period = self._robot, 1.0 / self._robot.control_rate
        names, (units, speeds, _) = robot.joint_names, joint_units(robot)
        strange = next((name for name in limits if name not in names), None)
        if strange is not None:
            text = f"limits on '{strange}', {robot.name} has no such joint."
            return _always(Cause.NAMES, f"{text}{suggestion(strange, names)}", strange)
        if not limits:
            return NO_RULES
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
            envelope = SpeedEnvelope(fastest, period)
            return Rules(
                place=(lambda step: _approaches(step, position),),
                way=(
                    lambda step: speed.judge((step.target - step.previous) / step.span),
                    pace_rule(envelope, names, units),
                ),
                envelope=envelope,
            )
        return Rules(
            (
                lambda step: speed.judge(step.target),
                lambda step: leads_inside(step, position, period),
            ),
            (),
        )


def _always(cause: Cause, text: str, joint: str = "") -> Rules:
    refusal = Refusal(cause, text, joint)
    return Rules(place=(lambda step: refusal,))


def _approaches(step: CommandStep, position: Bound) -> Refusal | None:
    # A joint that is outside when a limit comes into force may move, but only back.
    lower, upper = (
        np.minimum(position.lower, step.previous),
        np.maximum(position.upper, step.previous),
    )
    return replace(position, lower=lower, upper=upper).judge(step.target)
