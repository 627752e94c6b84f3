"""What the network of a walking policy sees: terms by name, in an order, with their past.

A term is what Isaac Lab calls one: a vector that is measured, asked for or answered before. Its
names here are Isaac Lab's. All are SI, and vectors are in the frame of the inertial unit, which
is the body's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from robot_policies.interface.frames import to_body
from robot_policies.interface.gravity import DOWN
from robot_policies.interface.observation import (
    COMMAND,
    IMU,
    IMU_NAMES,
    IMU_UNITS,
    STATE,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
    VELOCITY_COMMAND_UNITS,
)

_NOTHING = partial(np.empty, 0)


@dataclass(frozen=True, eq=False)
class Moment:
    """One control step as the terms read it; what no term reads may be empty.

    Attributes:
        answer: The network's newest answer, 0 before the first. Shape (J,).
        default: The pose that positions are counted from. Shape (J,). [rad]
        position: Joints in the policy's order. Shape (J,). [rad]
        velocity: Likewise. Shape (J,). [rad/s]
        orientation: Of the body in the world: x, y, z, w. Shape (4,).
        turn: Angular velocity in the body frame. Shape (3,). [rad/s]
        command: Forward, left, turn. Shape (3,). [m/s, m/s, rad/s]
        target: Joint targets in force. Shape (J,). [rad]
    """

    answer: np.ndarray
    default: np.ndarray
    position: np.ndarray = field(default_factory=_NOTHING)
    velocity: np.ndarray = field(default_factory=_NOTHING)
    orientation: np.ndarray = field(default_factory=_NOTHING)
    turn: np.ndarray = field(default_factory=_NOTHING)
    command: np.ndarray = field(default_factory=_NOTHING)
    target: np.ndarray = field(default_factory=_NOTHING)


@dataclass(frozen=True)
class Kind:
    """One kind of term.

    Attributes:
        unit: Of all elements, or of each.
        framed: Whether it is a vector in the body frame.
        value: Reads it from a moment.
        needs: Features it is made of.
        wide: Whether it has an element for each joint; else it has 3.
    """

    unit: str | tuple[str, ...]
    framed: bool
    value: Callable[[Moment], np.ndarray]
    needs: tuple[str, ...]
    wide: bool = False

    def width(self, joints: int) -> int:
        """Return its elements for a number of joints."""
        return joints if self.wide else 3


KINDS: Mapping[str, Kind] = {
    "base_ang_vel": Kind("rad/s", True, lambda m: m.turn, (IMU,)),
    "projected_gravity": Kind("1", True, lambda m: to_body(m.orientation, DOWN), (IMU,)),
    "velocity_commands": Kind(
        VELOCITY_COMMAND_UNITS, False, lambda m: m.command, (VELOCITY_COMMAND,)
    ),
    "joint_pos": Kind("rad", False, lambda m: m.position, (STATE,), wide=True),
    "joint_pos_rel": Kind("rad", False, lambda m: m.position - m.default, (STATE,), wide=True),
    "joint_vel": Kind("rad/s", False, lambda m: m.velocity, (STATE,), wide=True),
    "joint_vel_rel": Kind("rad/s", False, lambda m: m.velocity, (STATE,), wide=True),
    "last_action": Kind("1", False, lambda m: m.answer, (), wide=True),
}


# The feature a field of a moment is in, its elements there, of each joint `{}` where it is
# named, and their unit.
FIELDS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "position": (STATE, ("{}.pos",), ("rad",)),
    "velocity": (STATE, ("{}.vel",), ("rad/s",)),
    "orientation": (IMU, IMU_NAMES[:4], IMU_UNITS[:4]),
    "turn": (IMU, IMU_NAMES[4:7], IMU_UNITS[4:7]),
    "command": (VELOCITY_COMMAND, VELOCITY_COMMAND_NAMES, VELOCITY_COMMAND_UNITS),
    "target": (COMMAND, ("{}.target",), ("rad",)),
}


def elements(field: str, joints: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """Return the feature that a field of a moment is in, its elements there and their units."""
    feature, names, units = FIELDS[field]
    if names[0].startswith("{}"):
        return feature, [names[0].format(joint) for joint in joints], [units[0]] * len(joints)
    return feature, [*names], [*units]


def needed(kinds: Iterable[str]) -> list[str]:
    """Return the fields of a moment that some terms are made of."""
    features = {feature for kind in kinds for feature in KINDS[kind].needs}
    return [field for field, (feature, *_) in FIELDS.items() if feature in features]
