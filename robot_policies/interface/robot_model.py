"""What a model file of somebody else says about a robot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robot_policies.interface.robot_parts import CoupledJoint, Link


@dataclass(frozen=True, eq=False)
class RobotModel:
    """The parts of a robot as its model file has them; what it does not say is not there.

    Attributes:
        joints: Of each actuated joint, the fields of `Joint` that the model knows.
        links: Bodies, and frames without a body for sites; parents first.
        coupled: Joints that an actuated one carries along.
        stiffness: Of the servo of a joint, where the model has one. [N m/rad], [N/m]
        damping: Of the same servos. [N m s/rad], [N s/m]
        cameras: Name to the fields of `Camera`, as a table has them.
        floating_base: Whether the base moves freely in the model.
        base_height: Height of the base in the model's first pose. [m]
        remarks: What of the model is not read, or not as it stands, one line each.
    """

    joints: Mapping[str, Mapping[str, Any]]
    links: tuple[Link, ...]
    coupled: tuple[CoupledJoint, ...] = ()
    stiffness: Mapping[str, float] = field(default_factory=dict)
    damping: Mapping[str, float] = field(default_factory=dict)
    cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    floating_base: bool = False
    base_height: float = 0.0
    remarks: tuple[str, ...] = ()
