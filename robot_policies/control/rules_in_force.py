"""All rules that a command must satisfy now, and what they remember of the commands before."""

import numpy as np

from robot_policies.control.restriction import NO_RULES, Restriction
from robot_policies.control.rules import Rules, base_rules, position_rules, velocity_rules
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.interface import ActionKind, ConfigError, JointLimits, RobotSpec

ROBOT_RULES = {
    ActionKind.JOINT_POSITION: position_rules,
    ActionKind.JOINT_VELOCITY: velocity_rules,
    ActionKind.BASE_VELOCITY: base_rules,
}


class RulesInForce:
    """The robot's rules, those beside a person, and those that came with the newest action.

    Attributes:
        own: All but those that came with an action.
    """

    def __init__(
        self, robot: RobotSpec, limits: SafetyLimits, kind: ActionKind, beside: Rules
    ) -> None:
        """Make the robot's rules.

        Args:
            robot: The robot, with its limits.
            limits: Those of the operation.
            kind: Kind of command the robot is driven with.
            beside: Rules beside a person; they remember nothing.

        Raises:
            ConfigError: If there are no rules for the kind.
        """
        if kind not in ROBOT_RULES:
            raise ConfigError(f"no safety rules for '{kind}'; it is resolved to joints before")
        self._robot = ROBOT_RULES[kind](robot, limits)
        self._restriction = Restriction(robot, kind)
        self._with_action = NO_RULES
        self.own = _joined(self._robot, beside)

    def with_limits(self, limits: JointLimits, target: np.ndarray, now: float) -> Rules:
        """Return all rules, once an action has come with its limits.

        Args:
            limits: What came with the action.
            target: The target in force, from which a new speed limit counts. Shape (n,).
            now: Time. [s]
        """
        self._with_action = self._restriction.rules(limits, target, now)
        return _joined(self.own, self._with_action)

    def start(self, pose: np.ndarray, now: float) -> None:
        """Forget earlier targets: the robot begins at rest at a pose. Shape (n,)."""
        for rules in (self._robot, self._with_action):
            if rules.envelope:
                rules.envelope.start(pose, now)

    def sent(self, target: np.ndarray, now: float) -> None:
        """Note the target in force from now on. Shape (n,)."""
        for rules in (self._robot, self._with_action):
            if rules.envelope:
                rules.envelope.sent(target, now)

    def shift(self, by: float) -> None:
        """Follow a clock that jumped by some seconds."""
        for rules in (self._robot, self._with_action):
            if rules.envelope:
                rules.envelope.shift(by)


def _joined(first: Rules, second: Rules) -> Rules:
    return Rules(first.place + second.place, first.way + second.way)
