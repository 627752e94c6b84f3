"""Limits that something other than the robot asks for, joint by joint: a skill's, for one.

They travel with the actions they are about, and the safety gate holds an action to them beside
the robot's own, so that they can forbid more and never less.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robot_policies.interface.errors import ConfigError, UnknownNameError
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.schema import build


@dataclass(frozen=True)
class JointLimit:
    """What one joint is held to; infinite where nothing is asked for.

    Attributes:
        lower: Least position. [rad], [m]
        upper: Greatest position. [rad], [m]
        velocity: Greatest speed. [rad/s], [m/s]
    """

    lower: float = -math.inf
    upper: float = math.inf
    velocity: float = math.inf

    def __post_init__(self) -> None:
        """Refuse what is no limit; NaN would forbid nothing."""
        for name in ("lower", "upper", "velocity"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
                raise ConfigError(f"{name} {value!r} must be a number")
        if not self.velocity > 0.0:
            raise ConfigError(f"velocity {self.velocity} must be > 0")


JointLimits = Mapping[str, JointLimit]  # by joint name


def intersect(first: JointLimits, second: JointLimits) -> JointLimits:
    """Return what both allow; where that is nothing, `lower` exceeds `upper`."""
    if not first or not second:
        return first or second
    met = {}
    for joint in (*first, *(name for name in second if name not in first)):
        a, b = first.get(joint, JointLimit()), second.get(joint, JointLimit())
        met[joint] = JointLimit(
            max(a.lower, b.lower), min(a.upper, b.upper), min(a.velocity, b.velocity)
        )
    return met


def check_limits(limits: JointLimits, robot: RobotSpec, where: str) -> None:
    """Refuse limits on joints that are not there, or that leave one no room to be.

    Raises:
        ConfigError: Naming the joint.
    """
    joints = {joint.name: joint for joint in robot.joints}
    for name, limit in limits.items():
        if name not in joints:
            raise UnknownNameError("joint", name, joints, f"{where}: {robot.name}")
        joint = joints[name]
        if max(limit.lower, joint.lower) >= min(limit.upper, joint.upper):
            raise ConfigError(
                f"{where}: {name} in [{limit.lower:g}, {limit.upper:g}] has no room in "
                f"[{joint.lower:g}, {joint.upper:g}] of {robot.name}"
            )


def limits_from_words(words: Sequence[str], where: str) -> JointLimits:
    """Read limits as people type them: `elbow.velocity=0.5`, one number a word.

    Raises:
        ConfigError: Quoting the word.
    """
    entries: dict[str, dict[str, float]] = {}
    for word in words:
        name, _, text = word.partition("=")
        joint, _, key = name.rpartition(".")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not joint or math.isnan(value):
            raise ConfigError(f"{where} {word}: expected JOINT.velocity=0.5, or .lower or .upper")
        if key in entries.setdefault(joint, {}):
            raise ConfigError(f"{where} {word}: {name} is given twice")
        entries[joint][key] = value
    return limits_from_json(entries, where)


def limits_to_json(limits: JointLimits) -> dict[str, dict[str, float]]:
    """Return limits as JSON types; what is infinite is left out, for JSON cannot say it."""
    return {
        joint: {key: value for key, value in vars(limit).items() if math.isfinite(value)}
        for joint, limit in limits.items()
    }


def limits_from_json(data: Any, where: str) -> JointLimits:
    """Read limits.

    Raises:
        ConfigError: Naming the joint and what is wrong with it.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected joints by name, got {data!r}")
    return {
        str(joint): build(JointLimit, entry, f"{where}: {joint}") for joint, entry in data.items()
    }
