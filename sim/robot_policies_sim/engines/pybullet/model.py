"""The robot's table as a URDF, for PyBullet and for whatever else reads URDF."""

from xml.etree import ElementTree as ET

import numpy as np

from robot_policies.interface import RobotSpec
from robot_policies.interface.robot_parts import Joint, Link, Shape


def urdf(spec: RobotSpec) -> str:
    """Write the model.

    Args:
        spec: The robot; its joints' armature has no place in a URDF.

    Returns:
        URDF with the table's names; a link fixed to its parent hangs on a joint `<link>_fixed`.
    """
    joints = {joint.name: joint for joint in spec.joints}
    root = ET.Element("robot", name=spec.name)
    for link in spec.links:
        _link(root, link)
        if link.parent:
            _joint(root, link, joints.get(link.joint))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def _link(root: ET.Element, link: Link) -> None:
    element = ET.SubElement(root, "link", name=link.name)
    inertial = ET.SubElement(element, "inertial")
    _origin(inertial, link.center_of_mass, np.zeros(3))
    ET.SubElement(inertial, "mass", value=repr(float(link.mass)))
    moments = {f"i{a}{a}": repr(float(m)) for a, m in zip("xyz", link.inertia, strict=True)}
    ET.SubElement(inertial, "inertia", moments, ixy="0", ixz="0", iyz="0")
    for i, shape in enumerate(link.shapes):
        visual = ET.SubElement(element, "visual")
        _geometry(visual, shape)
        material = ET.SubElement(visual, "material", name=f"{link.name}_{i}")
        ET.SubElement(material, "color", rgba=_text(shape.color))
        if shape.collides:
            _geometry(ET.SubElement(element, "collision"), shape)


def _joint(root: ET.Element, link: Link, joint: Joint | None) -> None:
    if joint is None:
        element = ET.SubElement(root, "joint", name=f"{link.name}_fixed", type="fixed")
    else:
        kind = "prismatic" if joint.sliding else "revolute"
        element = ET.SubElement(root, "joint", name=joint.name, type=kind)
        ET.SubElement(element, "axis", xyz=_text(link.axis))
        limits = {
            "lower": joint.lower,
            "upper": joint.upper,
            "effort": joint.effort,
            "velocity": joint.velocity,
        }
        ET.SubElement(element, "limit", {key: repr(float(v)) for key, v in limits.items()})
        passive = {"damping": repr(float(joint.damping)), "friction": repr(float(joint.friction))}
        ET.SubElement(element, "dynamics", passive)
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
    else:
        radius, half = shape.size
        ET.SubElement(geometry, shape.kind, radius=_text([radius]), length=_text([2.0 * half]))


def _origin(parent: ET.Element, position: np.ndarray, rotation: np.ndarray) -> None:
    ET.SubElement(parent, "origin", xyz=_text(position), rpy=_text(rotation))


def _text(values: object) -> str:
    return " ".join(repr(float(value)) for value in np.atleast_1d(np.asarray(values)))
