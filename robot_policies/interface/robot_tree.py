"""The joints and links of a robot's table, and whether they are one tree."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_policies.interface.errors import ConfigError, suggestion
from robot_policies.interface.robot_parts import CoupledJoint, Joint, Link, Shape
from robot_policies.interface.schema import build, check_keys, vector


def read_link(name: str, entry: Mapping[str, Any], where: str) -> Link:
    """Read a rigid body.

    Args:
        name: Its name.
        entry: Fields of `Link`, shapes as mappings.
        where: Path in the file, for messages.

    Raises:
        ConfigError: On an unknown, missing or impossible entry.
    """
    entry = dict(entry)
    shapes = tuple(
        build(Shape, shape, f"{where}.shapes[{i}]")
        for i, shape in enumerate(entry.pop("shapes", ()))
    )
    vectors = {
        key: vector(entry.pop(key, default), 3, f"{where}.{key}")
        for key, default in (
            ("center_of_mass", 0.0),
            ("inertia", 1e-6),
            ("position", 0.0),
            ("rotation", 0.0),
            ("axis", (0.0, 0.0, 1.0)),
        )
    }
    link = build(Link, {"parent": "", **entry}, where, name=name, shapes=shapes, **vectors)
    if not link.mass > 0.0 or not (link.inertia > 0.0).all():
        raise ConfigError(f"{where}: mass {link.mass} and inertia {link.inertia} must be > 0")
    return link


def read_frame(name: str, entry: Mapping[str, Any], where: str) -> Link:
    """Read a frame without a body: `parent`, `position` and `rotation`.

    Raises:
        ConfigError: On an unknown, missing or impossible entry.
    """
    check_keys(entry, ("parent", "position", "rotation"), where)
    if "parent" not in entry:
        raise ConfigError(f"{where}: 'parent' is missing")
    nothing = np.zeros(3)
    return Link(
        name=name,
        parent=entry["parent"],
        mass=0.0,
        center_of_mass=nothing,
        inertia=nothing,
        position=vector(entry.get("position", 0.0), 3, f"{where}.position"),
        rotation=vector(entry.get("rotation", 0.0), 3, f"{where}.rotation"),
        axis=np.array([0.0, 0.0, 1.0]),
    )


def entries(data: Any, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return names and mappings.

    Raises:
        ConfigError: If the value is anything but a mapping of mappings.
    """
    if not isinstance(data, Mapping) or not all(isinstance(v, Mapping) for v in data.values()):
        raise ConfigError(f"{where}: expected a mapping of names to mappings")
    return list(data.items())


def check_link(name: str, links: list[str], where: str) -> None:
    """Refuse a name that no link has.

    Raises:
        ConfigError: Naming the nearest link.
    """
    if name not in links:
        raise ConfigError(f"{where}: no link '{name}'.{suggestion(str(name), links)}")


def check_tree(
    joints: tuple[Joint, ...],
    links: tuple[Link, ...],
    coupled: tuple[CoupledJoint, ...],
    where: str,
) -> None:
    """Refuse joints and links that are not one tree with one link for each joint.

    Raises:
        ConfigError: Naming the link or the joint.
    """
    names = [joint.name for joint in (*joints, *coupled)]
    if not joints or not links:
        raise ConfigError(f"{where}: a robot needs joints and links")
    if links[0].parent or links[0].joint:
        raise ConfigError(f"{where}: the first link '{links[0].name}' is the base: no parent")
    seen: set[str] = {links[0].name}
    moved: set[str] = set()
    for link in links[1:]:
        check_link(link.parent, sorted(seen), f"{where}: links.{link.name}.parent (listed above)")
        if link.name in seen:
            raise ConfigError(f"{where}: two links are called '{link.name}'")
        seen.add(link.name)
        if not link.joint:
            continue
        if link.joint not in names:
            raise ConfigError(
                f"{where}: links.{link.name}: no joint '{link.joint}'."
                f"{suggestion(link.joint, names)}"
            )
        if link.joint in moved:
            raise ConfigError(f"{where}: joint '{link.joint}' moves two links")
        moved.add(link.joint)
    for name in names:
        if name not in moved:
            raise ConfigError(f"{where}: joint '{name}' moves no link")
