"""The robot's table as a URDF: for PyBullet, and with the frames of messages for ROS's tools."""

from xml.etree import ElementTree as ET

import numpy as np

from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.robot_parts import CoupledJoint, Joint, Link, Shape

BASE = "base_link"  # REP-105


def urdf(spec: RobotSpec) -> str:
    """Write the model.

    Args:
        spec: The robot; its joints' armature has no place in a URDF.

    Returns:
        URDF with the table's names; a link fixed to its parent hangs on a joint `<link>_fixed`.
        `mimic` is a line: a coupled joint has there the one of the driver's default position.
    """
    joints: dict[str, Joint | CoupledJoint] = {joint.name: joint for joint in spec.joints}
    joints |= {joint.name: joint for joint in spec.coupled}
    root = ET.Element("robot", name=spec.name)
    for link in spec.links:
        _link(root, link)
        if link.parent:
            joint = joints.get(link.joint)
            _joint(root, link, joint, _driver(spec, joint))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def description(spec: RobotSpec) -> str:
    """Write the model with every frame that the messages of this package name.

    `base_link` (REP-105) is the base. `<camera>_optical` looks along z with y down (REP-103): it
    is the table's frame, which looks along -z, turned by pi about x. With roll, pitch and yaw
    about fixed axes, R = Rz(yaw) Ry(pitch) Rx(roll), that is pi more of roll.

    Args:
        spec: The robot.

    Returns:
        URDF for `robot_description`.
    """
    root = ET.fromstring(urdf(spec))
    if spec.links[0].name != BASE:
        ET.SubElement(root, "link", name=BASE)
        _fixed(root, BASE, spec.links[0].name, np.zeros(3), np.zeros(3))
    for camera in spec.cameras:
        frame = optical_frame(camera.name)
        ET.SubElement(root, "link", name=frame)
        turned = np.asarray(camera.rotation) + [np.pi, 0.0, 0.0]
        _fixed(root, camera.link, frame, camera.position, turned)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def optical_frame(camera: str) -> str:
    """Return the frame of a camera's pictures."""
    return f"{camera}_optical"


def _fixed(
    root: ET.Element, parent: str, child: str, position: np.ndarray, rotation: np.ndarray
) -> None:
    joint = ET.SubElement(root, "joint", name=f"{child}_fixed", type="fixed")
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=child)
    _origin(joint, position, rotation)


def _link(root: ET.Element, link: Link) -> None:
    element = ET.SubElement(root, "link", name=link.name)
    inertial = ET.SubElement(element, "inertial")
    _origin(inertial, link.center_of_mass, link.principal_axes)
    ET.SubElement(inertial, "mass", value=repr(float(link.mass)))
    moments = {f"i{a}{a}": repr(float(m)) for a, m in zip("xyz", link.inertia, strict=True)}
    ET.SubElement(inertial, "inertia", moments, ixy="0", ixz="0", iyz="0")
    for i, shape in enumerate(link.shapes):
        if shape.color[-1] > 0.0:
            visual = ET.SubElement(element, "visual")
            _geometry(visual, shape)
            material = ET.SubElement(visual, "material", name=f"{link.name}_{i}")
            ET.SubElement(material, "color", rgba=_text(shape.color))
        if shape.collides:
            _geometry(ET.SubElement(element, "collision"), shape)


def _driver(spec: RobotSpec, joint: Joint | CoupledJoint | None) -> Joint | None:
    """Return the actuated joint that moves a joint."""
    if isinstance(joint, CoupledJoint):
        return spec.joints[spec.joint_names.index(joint.driver)]
    return joint


def _joint(
    root: ET.Element, link: Link, joint: Joint | CoupledJoint | None, driver: Joint | None
) -> None:
    if joint is None or driver is None:
        element = ET.SubElement(root, "joint", name=f"{link.name}_fixed", type="fixed")
    else:
        kind = "prismatic" if joint.sliding else "revolute"
        element = ET.SubElement(root, "joint", name=joint.name, type=kind)
        ET.SubElement(element, "axis", xyz=_text(link.axis))
        limits = {
            "lower": joint.lower,
            "upper": joint.upper,
            "effort": driver.effort,
            "velocity": driver.velocity,
        }
        ET.SubElement(element, "limit", {key: repr(float(v)) for key, v in limits.items()})
        passive = {"damping": repr(float(joint.damping)), "friction": repr(float(joint.friction))}
        ET.SubElement(element, "dynamics", passive)
        if isinstance(joint, CoupledJoint):
            slope = joint.slope(driver.default)
            offset = joint.position(driver.default) - slope * driver.default
            line = {"multiplier": repr(slope), "offset": repr(offset)}
            ET.SubElement(element, "mimic", line, joint=driver.name)
    ET.SubElement(element, "parent", link=link.parent)
    ET.SubElement(element, "child", link=link.name)
    _origin(element, link.position, link.rotation)


def _geometry(parent: ET.Element, shape: Shape) -> None:
    _origin(parent, np.array(shape.position), np.array(shape.rotation))
    geometry = ET.SubElement(parent, "geometry")
    if shape.kind == "box":
        ET.SubElement(geometry, "box", size=_text(2.0 * np.array(shape.size)))
    elif shape.kind == "sphere":
        ET.SubElement(geometry, "sphere", radius=_text(shape.size))
    elif shape.kind == "mesh":
        ET.SubElement(geometry, "mesh", filename=shape.file, scale=_text(shape.size))
    else:
        radius, half = shape.size
        ET.SubElement(geometry, shape.kind, radius=_text([radius]), length=_text([2.0 * half]))


def _origin(parent: ET.Element, position: np.ndarray, rotation: np.ndarray) -> None:
    ET.SubElement(parent, "origin", xyz=_text(position), rpy=_text(rotation))


def _text(values: object) -> str:
    return " ".join(repr(float(value)) for value in np.atleast_1d(np.asarray(values)))
