"""Quantities with one lower and one upper limit per element, and those of a robot's joints."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.interface import RobotSpec
from robot_policies.interface.backend import ROUNDING


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
