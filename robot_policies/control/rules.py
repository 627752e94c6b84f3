"""What a robot may be commanded to do: one rule per function, each either silent or a refusal.

A rule says what is allowed; whatever it cannot prove allowed it refuses, so a NaN, which makes
every comparison false, is refused by each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from robot_policies.control.bounds import Bound, joint_bounds, joint_units
from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.control.speed_envelope import SpeedEnvelope
from robot_policies.interface import RobotSpec, RobotState
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.observation import VELOCITY_COMMAND_NAMES


@dataclass(frozen=True, eq=False)
class CommandStep:
    """A command in the light of what it follows; all arrays in `RobotSpec.joints` order.

    Attributes:
        target: What is asked for.
        previous: Command of the control step before.
        speed: How fast the step to `previous` was. [rad/s], [m/s]
        span: Time the step from `previous` stands for: a control period, or longer if `previous`
            had to serve for longer because answers did not come. [s]
        now: Time of the command. [s]
        state: What the robot measured.
    """

    target: np.ndarray
    previous: np.ndarray
    speed: np.ndarray
    span: float
    now: float
    state: RobotState


Rule = Callable[[CommandStep], Refusal | None]


@dataclass(frozen=True)
class Rules:
    """What a command must satisfy.

    Attributes:
        place: Rules about where the command leads, whatever came before it.
        way: Rules about the way there from what came before. Whoever is refused by one of these
            alone asks for something allowed, only too far away.
        envelope: What the rules remember of earlier targets; `None` if they remember nothing.
    """

    place: tuple[Rule, ...] = ()
    way: tuple[Rule, ...] = ()
    envelope: SpeedEnvelope | None = None

    def judge(self, step: CommandStep) -> Refusal | None:
        """Return the first refusal, those about the place before those about the way."""
        return self.judge_place(step) or _first_refusal(self.way, step)

    def judge_place(self, step: CommandStep) -> Refusal | None:
        """Return the first refusal of those about the place."""
        return _first_refusal(self.place, step)


def _first_refusal(rules: tuple[Rule, ...], step: CommandStep) -> Refusal | None:
    return next((refusal for rule in rules if (refusal := rule(step))), None)


def pace_rule(envelope: SpeedEnvelope, names: tuple[str, ...], units: tuple[str, ...]) -> Rule:
    """Return the rule that no target runs ahead of what its speed limit allows in true time."""

    def judge(step: CommandStep) -> Refusal | None:
        lower, upper = envelope.bounds(step.now)
        what = "target within the speed limit,"
        return Bound(Cause.VELOCITY, what, names, units, lower, upper).judge(step.target)

    return judge


def position_rules(robot: RobotSpec, limits: SafetyLimits) -> Rules:
    """Return what a joint position target must satisfy."""
    period, gains = 1.0 / robot.control_rate, robot.gains["policy"]
    position, speed, change, effort, following = joint_bounds(robot, limits)
    workspace = workspace_rule(robot)
    envelope = SpeedEnvelope(limits.velocity_margin * robot.velocity, period)

    def acceleration(step: CommandStep) -> np.ndarray:
        """(v - v') / T: the step's speed, less that of the step before, over the step's time."""
        return ((step.target - step.previous) / step.span - step.speed) / step.span

    def servo_effort(step: CommandStep) -> np.ndarray:
        """What the servo's law gives: stiffness (target - q) - damping q'."""
        spring = gains.stiffness * (step.target - step.state.joint_position)
        return spring - gains.damping * step.state.joint_velocity

    return Rules(
        place=(
            lambda step: position.judge(step.target),
            lambda step: workspace(step.target, step.previous),
        ),
        way=(
            lambda step: speed.judge((step.target - step.previous) / step.span),
            lambda step: change.judge(acceleration(step)),
            lambda step: following.judge(step.target - step.state.joint_position),
            lambda step: effort.judge(servo_effort(step)),
            pace_rule(envelope, robot.joint_names, joint_units(robot)[0]),
        ),
        envelope=envelope,
    )


def velocity_rules(robot: RobotSpec, limits: SafetyLimits) -> Rules:
    """Return what a joint velocity target must satisfy; where it leads counts as a position."""
    period = 1.0 / robot.control_rate
    position, speed, change, *_ = joint_bounds(robot, limits)
    workspace = workspace_rule(robot)

    def leads_to(step: CommandStep) -> Refusal | None:
        here = step.state.joint_position
        return workspace(here + step.target * period, here)

    return Rules(
        place=(
            lambda step: speed.judge(step.target),
            lambda step: leads_inside(step, position, period),
            leads_to,
        ),
        way=(lambda step: change.judge((step.target - step.previous) / period),),
    )


def leads_inside(step: CommandStep, position: Bound, period: float) -> Refusal | None:
    """Judge where a velocity target leads within a control period."""
    here = step.state.joint_position
    # A joint that is beyond its range may move, but only back.
    lower, upper = np.minimum(position.lower, here), np.maximum(position.upper, here)
    return replace(position, lower=lower, upper=upper).judge(here + step.target * period)


def base_rules(robot: RobotSpec, limits: SafetyLimits) -> Rules:
    """Return what a base velocity target must satisfy."""
    names, period = VELOCITY_COMMAND_NAMES, 1.0 / robot.control_rate
    units = ("m/s", "m/s", "rad/s")
    fastest, steepest = np.array(limits.base_velocity), np.array(limits.base_acceleration)
    speed = Bound(Cause.VELOCITY, "base speed", names, units, -fastest, fastest)
    units = tuple(f"{unit}^2" for unit in units)
    change = Bound(Cause.ACCELERATION, "base acceleration", names, units, -steepest, steepest)
    return Rules(
        place=(lambda step: speed.judge(step.target),),
        way=(lambda step: change.judge((step.target - step.previous) / period),),
    )


def workspace_rule(robot: RobotSpec) -> Callable[[np.ndarray, np.ndarray], Refusal | None]:
    """Return the rule that keeps the watched link's origin in its box.

    It is given the joint positions to judge and those before. A link that is outside may move,
    but along each axis only back.
    """
    box = robot.workspace
    if box is None:
        return lambda joints, before: None
    kinematics = Kinematics(robot, box.link)
    names, units = ("x", "y", "z"), ("m",) * 3
    bound = Bound(Cause.WORKSPACE, f"'{box.link}' position", names, units, box.lower, box.upper)
    back = f"'{box.link}', outside its workspace, may only go back:"

    def judge(joints: np.ndarray, before: np.ndarray) -> Refusal | None:
        there = kinematics.pose(joints)[1]
        if not (refusal := bound.judge(there)):
            return None
        here = kinematics.pose(before)[1]
        if not bound.judge(here):
            return refusal
        lower, upper = np.minimum(bound.lower, here), np.maximum(bound.upper, here)
        return replace(bound, what=back, lower=lower, upper=upper).judge(there)

    return judge
