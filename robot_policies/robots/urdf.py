"""A robot from a URDF file: https://wiki.ros.org/urdf/XML."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from robot_policies.interface.errors import ConfigError, suggestion
from robot_policies.interface.robot_model import RobotModel
from robot_policies.interface.robot_parts import CoupledJoint, Link
from robot_policies.robots.transforms import MOUNT
from robot_policies.robots.urdf_links import Mesh, materials, read_link
from robot_policies.robots.urdf_xml import attribute, end, number, numbers, origin

KINDS = ("revolute", "continuous", "prismatic", "fixed")


def read_urdf(text: str, mesh: Mesh) -> RobotModel:
    """Read a model.

    Args:
        text: The document.
        mesh: Finds the file of a mesh by the name that the document has for it.

    Raises:
        ConfigError: If it is no URDF, or says what cannot be; the link or joint is named.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise ConfigError(f"is no XML: {error}") from None
    if root.tag != "robot":
        raise ConfigError(f"the document is a <{root.tag}>, expected a <robot>")
    _rename_world(root)
    joints = {attribute(joint, "name", "joint"): joint for joint in root.findall("joint")}
    moved_by = {end(joint, "child", name): name for name, joint in joints.items()}
    elements = {attribute(link, "name", "link"): link for link in root.findall("link")}
    colors = materials(root)
    remarks: list[str] = []
    links = []
    for name in _ordered(elements, joints):
        made = read_link(name, elements[name], mesh, colors, remarks)
        if name in moved_by:
            made = _hang(made, moved_by[name], joints[moved_by[name]])
        links.append(made)
    coupled = [_coupled(name, joint, joints) for name, joint in joints.items() if _mimic(joint)]
    actuated = {
        name: _known(name, joint)
        for name, joint in joints.items()
        if _kind(name, joint) != "fixed" and not _mimic(joint)
    }
    if not actuated:
        raise ConfigError(f"no joint moves; joints: {', '.join(joints) or 'none'}")
    _check_masses(links)
    return RobotModel(actuated, tuple(links), tuple(coupled), remarks=tuple(remarks))


def _rename_world(root: ET.Element) -> None:
    """Call a link `world` something else: simulators have a world of their own."""
    for element in root.iter():
        for key in ("name", "link"):
            if element.tag in ("link", "parent", "child") and element.get(key) == "world":
                element.set(key, MOUNT)


def _ordered(links: Mapping[str, ET.Element], joints: Mapping[str, ET.Element]) -> list[str]:
    """Return the links, parents first.

    Raises:
        ConfigError: If a joint names no link, or the links are not one tree.
    """
    children: dict[str, list[str]] = {name: [] for name in links}
    parents: dict[str, str] = {}
    for name, joint in joints.items():
        parent, child = end(joint, "parent", name), end(joint, "child", name)
        for link in (parent, child):
            if link not in links:
                raise ConfigError(f"joint '{name}': no link '{link}'.{suggestion(link, links)}")
        if child in parents:
            raise ConfigError(f"joint '{name}': link '{child}' has a parent already")
        parents[child] = parent
        children[parent].append(child)
    roots = [name for name in links if name not in parents]
    if len(roots) != 1:
        raise ConfigError(f"{len(roots)} links without a parent, expected 1: {', '.join(roots)}")
    ordered = [*roots]
    for name in ordered:
        ordered.extend(children[name])
    return ordered


def _hang(link: Link, name: str, joint: ET.Element) -> Link:
    where = f"joint '{name}'"
    place, turn = origin(joint, where)
    axis = joint.find("axis")
    direction = np.array([1.0, 0.0, 0.0])
    if axis is not None:
        direction = numbers(axis.get("xyz", "1 0 0"), 3, f"{where}: axis")
    hung = replace(link, parent=end(joint, "parent", name), position=place, rotation=turn)
    if _kind(name, joint) == "fixed":
        return hung
    length = float(np.linalg.norm(direction))
    if not length > 0.0:
        raise ConfigError(f"{where}: axis {direction} has no direction")
    return replace(hung, joint=name, axis=direction / length)


def _kind(name: str, joint: ET.Element) -> str:
    kind = joint.get("type", "")
    if kind not in KINDS:
        raise ConfigError(
            f"joint '{name}': type '{kind}' is not read; {', '.join(KINDS)} are."
            f"{suggestion(kind, KINDS)}"
        )
    return kind


def _known(name: str, joint: ET.Element) -> Mapping[str, Any]:
    """Return what a moving joint says of itself.

    Raises:
        ConfigError: If its limits are missing or reversed.
    """
    where = f"joint '{name}'"
    known: dict[str, Any] = {"sliding": _kind(name, joint) == "prismatic"}
    limit = joint.find("limit")
    if _kind(name, joint) != "continuous":
        if limit is None:
            raise ConfigError(f"{where}: <limit> is missing")
        lower, upper = (number(limit, end, where, 0.0) for end in ("lower", "upper"))
        if not lower < upper:
            raise ConfigError(f"{where}: limits reversed or zero: lower {lower}, upper {upper}")
        known |= {"lower": lower, "upper": upper}
    for key in ("effort", "velocity"):
        if limit is not None and (value := number(limit, key, where, 0.0)) > 0.0:
            known[key] = value
    dynamics = joint.find("dynamics")
    for key in ("damping", "friction"):
        if dynamics is not None:
            known[key] = number(dynamics, key, where, 0.0)
    return known


def _mimic(joint: ET.Element) -> bool:
    return joint.find("mimic") is not None


def _coupled(name: str, joint: ET.Element, joints: Mapping[str, ET.Element]) -> CoupledJoint:
    """Follow `mimic`, by way of other joints that mimic, to the joint that is driven."""
    where, offset, slope, driver = f"joint '{name}': mimic", 0.0, 1.0, name
    passed = []
    while (mimic := joints[driver].find("mimic")) is not None:
        passed.append(driver)
        driver = attribute(mimic, "joint", where)
        if driver not in joints:
            raise ConfigError(f"{where}: no joint '{driver}'.{suggestion(driver, joints)}")
        if driver in passed:
            raise ConfigError(f"{where}: goes in a circle by {', '.join(passed)}")
        offset += slope * number(mimic, "offset", where, 0.0)
        slope *= number(mimic, "multiplier", where, 1.0)
    known = {"lower": -np.inf, "upper": np.inf, **_known(name, joint)}
    if not np.isfinite([known["lower"], known["upper"]]).all():
        raise ConfigError(f"{where}: joint is continuous; a coupled joint has a range")
    return CoupledJoint(
        name=name,
        driver=driver,
        coefficients=(offset, slope, 0.0, 0.0, 0.0),
        lower=known["lower"],
        upper=known["upper"],
        damping=known.get("damping", 0.0),
        friction=known.get("friction", 0.0),
        sliding=known["sliding"],
    )


def _check_masses(links: list[Link]) -> None:
    """Refuse a joint that moves nothing: a simulator has no answer for it."""
    carried = {link.name: link.mass for link in links}
    for link in reversed(links):
        if link.joint and not carried[link.name] > 0.0:
            raise ConfigError(
                f"link '{link.name}': joint '{link.joint}' moves it and it has no mass"
            )
        if link.parent and not link.joint:
            carried[link.parent] += carried[link.name]
