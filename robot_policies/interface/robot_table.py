"""The table of a robot, `config/robots/<name>.yaml`, where each number carries its source.

Simulator models, the safety gate, kinematics and the compatibility check are all derived from it,
so that a limit exists once.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from robot_policies.interface.errors import ConfigError, suggestion
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.robot_model import RobotModel
from robot_policies.interface.robot_parts import (
    Camera,
    Cloud,
    Gains,
    Joint,
    Workspace,
)
from robot_policies.interface.robot_tree import (
    check_link,
    check_tree,
    entries,
    read_frame,
    read_link,
)
from robot_policies.interface.schema import build, check_keys, vector

UNITS = {"length": "m", "angle": "rad", "mass": "kg", "time": "s", "force": "N"}
GAIN_MODES = ("policy", "hold", "damp")


def read_robot(data: Mapping[str, Any], where: str, model: RobotModel | None = None) -> RobotSpec:
    """Read the table of a robot.

    Args:
        data: Parsed `config/robots/<name>.yaml`.
        where: File name, for messages.
        model: What the file that the table names says, where it names one. The table adds what
            that one lacks; what both say, the table says.

    Raises:
        ConfigError: On an unknown or missing key, a missing or foreign unit, reversed limits.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected a mapping, got {data!r}")
    rest = dict(data)
    if model is not None and "links" in rest:
        raise ConfigError(f"{where}: has both 'links' and 'model', expected one")
    rest.pop("model", None)
    _check_units(rest.pop("units", {}), f"{where}: units")
    defaults = rest.pop("joint_defaults", {})
    check_keys(defaults, [field.name for field in fields(Joint)], f"{where}: joint_defaults")
    known = dict(entries(rest.pop("joints", {}), f"{where}: joints"))
    if model is not None:
        check_keys(known, model.joints, f"{where}: joints")
        known = {name: {**said, **known.get(name, {})} for name, said in model.joints.items()}
    joints = tuple(
        build(Joint, {**defaults, **entry, "name": name}, f"{where}: joints.{name}")
        for name, entry in known.items()
    )
    links = () if model is None else model.links
    for key, read in (("links", read_link), ("frames", read_frame)):
        found = entries(rest.pop(key, {}), f"{where}: {key}")
        links += tuple(read(name, entry, f"{where}: {key}.{name}") for name, entry in found)
    check_tree(joints, links, () if model is None else model.coupled, where)
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
        for name, entry in entries(rest.pop("cameras", {}), f"{where}: cameras")
    )
    cloud = rest.pop("cloud", None)
    if cloud is not None:
        cloud = _cloud(cloud, cameras, link_names, f"{where}: cloud")
    workspace = rest.pop("workspace", None)
    if workspace is not None:
        workspace = _workspace(workspace, link_names, f"{where}: workspace")
    for key in ("imu_link", "wrench_link"):
        if rest.get(key):
            check_link(rest[key], link_names, f"{where}: {key}")
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
        coupled=() if model is None else model.coupled,
        cameras=cameras,
        cloud=cloud,
        workspace=workspace,
        gains={
            mode: _gains(gains[mode], len(joints), f"{where}: gains.{mode}") for mode in GAIN_MODES
        },
    )


def _check_units(units: Any, where: str) -> None:
    check_keys(units, UNITS, where)
    for quantity, unit in UNITS.items():
        if quantity not in units:
            raise ConfigError(f"{where}.{quantity} is missing; write '{quantity}: {unit}'")
        if units[quantity] != unit:
            raise ConfigError(f"{where}.{quantity} is '{units[quantity]}', only '{unit}' is read")


def _camera(name: str, entry: Mapping[str, Any], links: list[str], where: str) -> Camera:
    entry = dict(entry)
    position = vector(entry.pop("position", 0.0), 3, f"{where}.position")
    rotation = vector(entry.pop("rotation", 0.0), 3, f"{where}.rotation")
    camera = build(Camera, entry, where, name=name, position=position, rotation=rotation)
    check_link(camera.link, links, where)
    return camera


def _cloud(entry: Any, cameras: tuple[Camera, ...], links: list[str], where: str) -> Cloud:
    cloud = build(Cloud, entry, where)
    named = {camera.name: camera for camera in cameras}
    if cloud.camera not in named:
        raise ConfigError(f"{where}: no camera '{cloud.camera}'.{suggestion(cloud.camera, named)}")
    camera = named[cloud.camera]
    if not (camera.depth and camera.labels):
        raise ConfigError(f"{where}: camera '{cloud.camera}' needs 'depth: true, labels: true'")
    check_link(cloud.frame, links, where)
    return cloud


def _workspace(entry: Mapping[str, Any], links: list[str], where: str) -> Workspace:
    check_keys(entry, ("link", "lower", "upper"), where)
    bounds = {key: vector(entry.get(key), 3, f"{where}.{key}") for key in ("lower", "upper")}
    if (bounds["lower"] >= bounds["upper"]).any():
        raise ConfigError(f"{where}: limits reversed: {bounds['lower']}, {bounds['upper']}")
    check_link(entry.get("link", ""), links, where)
    return Workspace(link=entry["link"], **bounds)


def _gains(entry: Any, width: int, where: str) -> Gains:
    check_keys(entry, ("stiffness", "damping"), where)
    values = {key: vector(entry.get(key), width, f"{where}.{key}") for key in entry}
    gains = build(Gains, values, where)
    if (gains.stiffness < 0.0).any() or (gains.damping < 0.0).any():
        raise ConfigError(f"{where}: gains must be >= 0")
    return gains
