"""What a robot may be commanded to do: one rule per function, each either silent or a refusal.

A rule says what is allowed; whatever it cannot prove allowed it refuses, so a NaN, which makes
every comparison false, is refused by each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from robot_policies.control.speed_envelope import SpeedEnvelope
from robot_policies.interface import RobotSpec, RobotState
from robot_policies.interface.backend import ROUNDING
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.observation import VELOCITY_COMMAND_NAMES

ARM_PLAN_AGE = 8.0  # s; 100 rows at 30 Hz (LeRobot's ACT) and an answer that takes 4 s
LEGGED_PLAN_AGE = 0.5  # s; a gait has turned half round by then


class Cause(StrEnum):
    """Why a command was refused."""

    NO_ACTION = "no_action"  # no valid action for longer than the time limit
    NOT_FINITE = "not_finite"
    NAMES = "names"  # wrong element names
    KIND = "kind"  # a kind of action that cannot be judged
    POSITION = "position"
    VELOCITY = "velocity"
    ACCELERATION = "acceleration"
    EFFORT = "effort"
    FOLLOWING_ERROR = "following_error"
    WORKSPACE = "workspace"
    STALE_ACTION = "stale_action"  # answers an observation that is too old
    STALE_STATE = "stale_state"  # the robot's measurements are missing or too old
    CLOCK = "clock"  # time went backwards, or a stamp lies in the future
    IMPLAUSIBLE = "implausible"  # a joint cannot be where it was measured just now
    STATE = "state"  # the robot's measurements are no numbers, or have been implausible for long
    TILT = "tilt"
    FAULT = "fault"  # the robot stopped itself, or asks to be stopped
    BUSY = "busy"  # it does something by itself and would not follow
    REFUSALS = "refusals"  # the policy kept asking for what is not allowed
    OPERATOR = "operator"


@dataclass(frozen=True)
class Refusal:
    """A command that was not sent, and why.

    Attributes:
        cause: The rule that refused.
        text: One line for people.
        joint: Joint or element concerned; empty if it is no single one.
        value: What was asked for or measured, in the unit of the rule.
        limit: The bound it broke.
        margin: Distance to the bound, negative when broken; NaN where there is none.
    """

    cause: Cause
    text: str
    joint: str = ""
    value: float = np.nan
    limit: float = np.nan
    margin: float = np.nan


@dataclass(frozen=True)
class SafetyLimits:
    """Limits that are not the robot's but the operation's.

    Attributes:
        command_timeout: After the last valid action the robot holds within this time. [s]
        hold_time: It holds for this long, then damps. [s]
        state_timeout: Oldest measurement a command may be judged by. [s]
        plan_age: Oldest observation whose plan may still be followed. [s]
        approach_time: An action that is too far from the command in force is approached for at
            most this long. [s]
        refusal_time: Actions refused for this long without a valid one trip the stop. [s]
        position_margin: Kept free at both ends of every joint's range. [rad], [m]
        velocity_margin: Factor on the robot's speed limits.
        acceleration_margin: Factor on the robot's acceleration limits.
        effort_margin: Factor on the robot's effort limits; 1 allows what the servo can give.
        base_velocity: Largest forward [m/s], sideways [m/s] and yaw speed [rad/s].
        base_acceleration: Largest change of each. [m/s^2], [m/s^2], [rad/s^2]
    """

    command_timeout: float = 0.1
    hold_time: float = 1.0
    state_timeout: float = 0.1
    plan_age: float = 2.0
    approach_time: float = 0.4
    refusal_time: float = 0.5
    position_margin: float = 0.0
    velocity_margin: float = 1.0
    acceleration_margin: float = 1.0
    effort_margin: float = 1.0
    base_velocity: tuple[float, float, float] = (1.0, 0.6, 1.5)
    base_acceleration: tuple[float, float, float] = (4.0, 4.0, 8.0)

    @classmethod
    def of(cls, robot: RobotSpec, plan_age: float = 0.0) -> "SafetyLimits":
        """Return the limits of a class of robots.

        A robot with a fixed base stands safely while it holds, so it may follow a plan for seconds
        and wait for the next one. A legged robot balances on what it last saw.

        Args:
            robot: The robot.
            plan_age: Oldest observation whose plan may still be followed; 0 is the class's. [s]
        """
        if robot.floating_base:
            return cls(plan_age=plan_age or LEGGED_PLAN_AGE)
        age = plan_age or ARM_PLAN_AGE
        return cls(plan_age=age, hold_time=age)


@dataclass(frozen=True, eq=False)
class Motion:
    """A command in the light of what it follows; all arrays in `RobotSpec.joints` order.

    Attributes:
        target: What is asked for.
        previous: Command of the control step before.
        earlier: Command of the step before that.
        span: Time the step from `previous` stands for: a control period, or longer if `previous`
            had to serve for longer because answers did not come. [s]
        now: Time of the command. [s]
        state: What the robot measured.
    """

    target: np.ndarray
    previous: np.ndarray
    earlier: np.ndarray
    span: float
    now: float
    state: RobotState


Rule = Callable[[Motion], Refusal | None]


@dataclass(frozen=True, eq=False)
class Bound:
    """A quantity with one lower and one upper limit per element."""

    cause: Cause
    what: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray

    @cached_property
    def _allowed(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest value that pass; both are finite, and so is what they let pass."""
        sizes = [np.where(np.isfinite(end), np.abs(end), 0.0) for end in (self.lower, self.upper)]
        room = ROUNDING * np.maximum(*sizes)
        return np.nan_to_num(self.lower - room), np.nan_to_num(self.upper + room)

    def judge(self, value: np.ndarray) -> Refusal | None:
        """Refuse unless every element is provably inside; report the one furthest out."""
        least, greatest = self._allowed
        if ((least <= value) & (value <= greatest)).all():
            return None
        with np.errstate(invalid="ignore"):  # an infinite value at an infinite end
            margin = np.minimum(value - self.lower, self.upper - value)
        i = int(np.argmin(np.where(np.isnan(margin), -np.inf, margin)))
        low, high, name = self.lower[i], self.upper[i], self.names[i]
        text = (
            f"{self.what} {name} = {value[i]:.4g} {self.units[i]} "
            f"is outside [{low:.4g}, {high:.4g}]"
        )
        limit = low if value[i] < low else high
        return Refusal(self.cause, text, name, float(value[i]), float(limit), float(margin[i]))


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

    def judge(self, motion: Motion) -> Refusal | None:
        """Return the first refusal, those about the place before those about the way."""
        return self.judge_place(motion) or _first_refusal(self.way, motion)

    def judge_place(self, motion: Motion) -> Refusal | None:
        """Return the first refusal of those about the place."""
        return _first_refusal(self.place, motion)


def _first_refusal(rules: tuple[Rule, ...], motion: Motion) -> Refusal | None:
    return next((refusal for rule in rules if (refusal := rule(motion))), None)


def pace_rule(envelope: SpeedEnvelope, names: tuple[str, ...], units: tuple[str, ...]) -> Rule:
    """Return the rule that no target runs ahead of what its speed limit allows in true time."""

    def judge(m: Motion) -> Refusal | None:
        lower, upper = envelope.bounds(m.now)
        what = "target within the speed limit,"
        return Bound(Cause.VELOCITY, what, names, units, lower, upper).judge(m.target)

    return judge


def position_rules(robot: RobotSpec, limits: SafetyLimits) -> Rules:
    """Return what a joint position target must satisfy."""
    period, gains = 1.0 / robot.control_rate, robot.gains["policy"]
    position, speed, change, effort, following = joint_bounds(robot, limits)
    workspace = workspace_rule(robot)
    envelope = SpeedEnvelope(limits.velocity_margin * robot.velocity, period)

    def acceleration(m: Motion) -> np.ndarray:
        return ((m.target - m.previous) / m.span - (m.previous - m.earlier) / period) / m.span

    def servo_effort(m: Motion) -> np.ndarray:
        spring = gains.stiffness * (m.target - m.state.joint_position)
        return spring - gains.damping * m.state.joint_velocity

    return Rules(
        place=(
            lambda m: position.judge(m.target),
            lambda m: workspace(m.target, m.previous),
        ),
        way=(
            lambda m: speed.judge((m.target - m.previous) / m.span),
            lambda m: change.judge(acceleration(m)),
            lambda m: following.judge(m.target - m.state.joint_position),
            lambda m: effort.judge(servo_effort(m)),
            pace_rule(envelope, robot.joint_names, joint_units(robot)[0]),
        ),
        envelope=envelope,
    )


def velocity_rules(robot: RobotSpec, limits: SafetyLimits) -> Rules:
    """Return what a joint velocity target must satisfy; where it leads counts as a position."""
    period = 1.0 / robot.control_rate
    position, speed, change, *_ = joint_bounds(robot, limits)
    workspace = workspace_rule(robot)

    def leads_to(m: Motion) -> Refusal | None:
        here = m.state.joint_position
        return workspace(here + m.target * period, here)

    return Rules(
        place=(
            lambda m: speed.judge(m.target),
            lambda m: leads_inside(m, position, period),
            leads_to,
        ),
        way=(lambda m: change.judge((m.target - m.previous) / period),),
    )


def leads_inside(m: Motion, position: Bound, period: float) -> Refusal | None:
    """Judge where a velocity target leads within a control period."""
    here = m.state.joint_position
    # A joint that is beyond its range may move, but only back.
    lower, upper = np.minimum(position.lower, here), np.maximum(position.upper, here)
    return replace(position, lower=lower, upper=upper).judge(here + m.target * period)


def base_rules(robot: RobotSpec, limits: SafetyLimits) -> Rules:
    """Return what a base velocity target must satisfy."""
    names, period = VELOCITY_COMMAND_NAMES, 1.0 / robot.control_rate
    units = ("m/s", "m/s", "rad/s")
    fastest, steepest = np.array(limits.base_velocity), np.array(limits.base_acceleration)
    speed = Bound(Cause.VELOCITY, "base speed", names, units, -fastest, fastest)
    units = tuple(f"{unit}^2" for unit in units)
    change = Bound(Cause.ACCELERATION, "base acceleration", names, units, -steepest, steepest)
    return Rules(
        place=(lambda m: speed.judge(m.target),),
        way=(lambda m: change.judge((m.target - m.previous) / period),),
    )


def joint_bounds(robot: RobotSpec, limits: SafetyLimits) -> tuple[Bound, ...]:
    """Return the bounds of all joints.

    Returns:
        Bounds on position, speed, acceleration, servo effort and following error; of the last two
        each joint has one, the other is infinite.
    """
    names = robot.joint_names
    units, speeds, changes = joint_units(robot)
    forces = tuple("N" if joint.sliding else "N m" for joint in robot.joints)
    lower, upper = robot.lower + limits.position_margin, robot.upper - limits.position_margin
    fastest = limits.velocity_margin * robot.velocity
    steepest = limits.acceleration_margin * robot.acceleration
    follow = robot.following_error
    hardest = np.where(np.isfinite(follow), np.inf, limits.effort_margin * robot.effort)
    return (
        Bound(Cause.POSITION, "target", names, units, lower, upper),
        Bound(Cause.VELOCITY, "target speed", names, speeds, -fastest, fastest),
        Bound(Cause.ACCELERATION, "target acceleration", names, changes, -steepest, steepest),
        Bound(Cause.EFFORT, "servo effort", names, forces, -hardest, hardest),
        Bound(Cause.FOLLOWING_ERROR, "following error", names, units, -follow, follow),
    )


def joint_units(robot: RobotSpec) -> tuple[tuple[str, ...], ...]:
    """Return the units of every joint's position, speed and acceleration."""
    units = tuple("m" if joint.sliding else "rad" for joint in robot.joints)
    return units, tuple(f"{unit}/s" for unit in units), tuple(f"{unit}/s^2" for unit in units)


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
