"""The table of a robot, `config/robots/<name>.yaml`, where each number carries its source.

Simulator models, the safety gate, kinematics and the compatibility check are all derived from it,
so that a limit exists once.
"""

from collections.abc import Mapping
from typing import Any

from robot_policies.interface.errors import ConfigError, suggestion
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.robot_parts import (
    Camera,
    Cloud,
    Gains,
    Joint,
    Link,
    Shape,
    Workspace,
)
from robot_policies.interface.schema import build, check_keys, vector

UNITS = {"length": "m", "angle": "rad", "mass": "kg", "time": "s", "force": "N"}
GAIN_MODES = ("policy", "hold", "damp")


def read_robot(data: Mapping[str, Any], where: str) -> RobotSpec:
    """Read the table of a robot.

    Args:
        data: Parsed `config/robots/<name>.yaml`.
        where: File name, for messages.

    Raises:
        ConfigError: On an unknown or missing key, a missing or foreign unit, reversed limits.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected a mapping, got {data!r}")
    rest = dict(data)
    _check_units(rest.pop("units", {}), f"{where}: units")
    defaults = rest.pop("joint_defaults", {})
    joints = tuple(
        build(Joint, {**defaults, **entry, "name": name}, f"{where}: joints.{name}")
        for name, entry in _entries(rest.pop("joints", {}), f"{where}: joints")
    )
    links = tuple(
        _link(name, entry, f"{where}: links.{name}")
        for name, entry in _entries(rest.pop("links", {}), f"{where}: links")
    )
    _check_tree(joints, links, where)
    link_names = [link.name for link in links]
    gains = rest.pop("gains", {})
    check_keys(gains, GAIN_MODES, f"{where}: gains")
    for mode in GAIN_MODES:
        if mode not in gains:
            raise ConfigError(f"{where}: gains.{mode} is missing")
    rate = rest.get("control_rate")
    if not isinstance(rate, int | float):
        raise ConfigError(f"{where}: control_rate must be a number of Hz, got {rate!r}")
    cameras = tuple(
        _camera(name, {"rate": rate, **entry}, link_names, f"{where}: cameras.{name}")
        for name, entry in _entries(rest.pop("cameras", {}), f"{where}: cameras")
    )
    cloud = rest.pop("cloud", None)
    if cloud is not None:
        cloud = _cloud(cloud, cameras, link_names, f"{where}: cloud")
    workspace = rest.pop("workspace", None)
    if workspace is not None:
        workspace = _workspace(workspace, link_names, f"{where}: workspace")
    for key in ("imu_link", "wrench_link"):
        if rest.get(key):
            _check_link(rest[key], link_names, f"{where}: {key}")
    if rest.get("wrench_link") == link_names[0]:
        raise ConfigError(
            f"{where}: wrench_link '{link_names[0]}' is the base: nothing carries it"
        )
    return build(
        RobotSpec,
        rest,
        where,
        joints=joints,
        links=links,
        cameras=cameras,
        cloud=cloud,
        workspace=workspace,
        gains={
            mode: _gains(gains[mode], len(joints), f"{where}: gains.{mode}") for mode in GAIN_MODES
        },
    )


def _entries(data: Any, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(data, Mapping) or not all(isinstance(v, Mapping) for v in data.values()):
        raise ConfigError(f"{where}: expected a mapping of names to mappings")
    return list(data.items())


def _check_units(units: Any, where: str) -> None:
    check_keys(units, UNITS, where)
    for quantity, unit in UNITS.items():
        if quantity not in units:
            raise ConfigError(f"{where}.{quantity} is missing; write '{quantity}: {unit}'")
        if units[quantity] != unit:
            raise ConfigError(f"{where}.{quantity} is '{units[quantity]}', only '{unit}' is read")


def _link(name: str, entry: Mapping[str, Any], where: str) -> Link:
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


def _camera(name: str, entry: Mapping[str, Any], links: list[str], where: str) -> Camera:
    entry = dict(entry)
    position = vector(entry.pop("position", 0.0), 3, f"{where}.position")
    rotation = vector(entry.pop("rotation", 0.0), 3, f"{where}.rotation")
    camera = build(Camera, entry, where, name=name, position=position, rotation=rotation)
    _check_link(camera.link, links, where)
    return camera


def _cloud(entry: Any, cameras: tuple[Camera, ...], links: list[str], where: str) -> Cloud:
    cloud = build(Cloud, entry, where)
    named = {camera.name: camera for camera in cameras}
    if cloud.camera not in named:
        raise ConfigError(f"{where}: no camera '{cloud.camera}'.{suggestion(cloud.camera, named)}")
    camera = named[cloud.camera]
    if not (camera.depth and camera.labels):
        raise ConfigError(f"{where}: camera '{cloud.camera}' needs 'depth: true, labels: true'")
    _check_link(cloud.frame, links, where)
    return cloud


def _workspace(entry: Mapping[str, Any], links: list[str], where: str) -> Workspace:
    check_keys(entry, ("link", "lower", "upper"), where)
    bounds = {key: vector(entry.get(key), 3, f"{where}.{key}") for key in ("lower", "upper")}
    if (bounds["lower"] >= bounds["upper"]).any():
        raise ConfigError(f"{where}: limits reversed: {bounds['lower']}, {bounds['upper']}")
    _check_link(entry.get("link", ""), links, where)
    return Workspace(link=entry["link"], **bounds)


def _gains(entry: Any, width: int, where: str) -> Gains:
    check_keys(entry, ("stiffness", "damping"), where)
    values = {key: vector(entry.get(key), width, f"{where}.{key}") for key in entry}
    gains = build(Gains, values, where)
    if (gains.stiffness < 0.0).any() or (gains.damping < 0.0).any():
        raise ConfigError(f"{where}: gains must be >= 0")
    return gains


def _check_link(name: str, links: list[str], where: str) -> None:
    if name not in links:
        raise ConfigError(f"{where}: no link '{name}'.{suggestion(str(name), links)}")


def _check_tree(joints: tuple[Joint, ...], links: tuple[Link, ...], where: str) -> None:
    names = [joint.name for joint in joints]
    if not joints or not links:
        raise ConfigError(f"{where}: a robot needs joints and links")
    if links[0].parent or links[0].joint:
        raise ConfigError(f"{where}: the first link '{links[0].name}' is the base: no parent")
    seen: set[str] = {links[0].name}
    moved: set[str] = set()
    for link in links[1:]:
        _check_link(link.parent, sorted(seen), f"{where}: links.{link.name}.parent (listed above)")
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
