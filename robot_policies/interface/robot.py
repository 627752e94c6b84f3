"""A robot as one table: joints by name, limits, gains, links, sensors.

The table is `config/robots/<name>.yaml`, where each number carries its source. Simulator models,
the safety gate, kinematics and the compatibility check are all derived from it, so that a limit
exists once. All numbers are SI; joint and link frames follow URDF (REP-103: x forward, z up).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from robot_policies.interface.errors import ConfigError, suggestion
from robot_policies.interface.observation import (
    IMAGES,
    IMU,
    IMU_NAMES,
    IMU_UNITS,
    STATE,
)
from robot_policies.interface.schema import build, check_keys, vector
from robot_policies.interface.spec import ArraySpec

UNITS = {"length": "m", "angle": "rad", "mass": "kg", "time": "s", "force": "N"}
GAIN_MODES = ("policy", "hold", "damp")


@dataclass(frozen=True)
class Joint:
    """One actuated joint.

    Attributes:
        name: Joint name, as in `joint_states`.
        lower: Lower position limit. [rad], [m] for sliding joints
        upper: Upper position limit.
        velocity: Speed limit. [rad/s], [m/s]
        acceleration: Limit on the second difference of its target. [rad/s^2], [m/s^2]
        jerk: Limit on the third difference of its target in spliced motion. [rad/s^3], [m/s^3]
        effort: Torque or force limit. [N m], [N]
        default: Position in the default pose. [rad], [m]
        damping: Passive damping, simulators only. [N m s/rad]
        armature: Reflected rotor inertia, simulators only. [kg m^2]
        friction: Dry friction, simulators only. [N m]
        sliding: Whether it slides rather than turns.
        lying: Position where the robot lies down; NaN if it is not one that does. [rad], [m]
        following_error: Largest distance between target and measurement. Given for servos that
            saturate their own effort, where a target may lie further off than the effort reaches;
            without it the safety gate judges the effort itself. [rad], [m]
    """

    name: str
    lower: float
    upper: float
    velocity: float
    acceleration: float
    jerk: float
    effort: float
    default: float
    damping: float = 0.0
    armature: float = 0.0
    friction: float = 0.0
    sliding: bool = False
    lying: float = np.nan
    following_error: float = np.inf

    def __post_init__(self) -> None:
        """Refuse reversed or impossible limits."""
        if not self.lower < self.upper:
            raise ConfigError(
                f"joint '{self.name}': limits reversed: lower {self.lower}, upper {self.upper}"
            )
        if not self.lower <= self.default <= self.upper:
            raise ConfigError(
                f"joint '{self.name}': default {self.default} is outside "
                f"[{self.lower}, {self.upper}]"
            )
        if self.lying < self.lower or self.lying > self.upper:
            raise ConfigError(
                f"joint '{self.name}': lying {self.lying} is outside [{self.lower}, {self.upper}]"
            )
        for limit in ("velocity", "acceleration", "jerk", "effort"):
            value = getattr(self, limit)
            if not (np.isfinite(value) and value > 0.0):
                raise ConfigError(f"joint '{self.name}': {limit} limit {value} must be > 0")
        if not self.following_error > 0.0:
            raise ConfigError(
                f"joint '{self.name}': following_error {self.following_error} must be > 0"
            )


@dataclass(frozen=True, eq=False)
class Shape:
    """One collision and display primitive of a link, in the link frame.

    Attributes:
        kind: `box` (half extents), `sphere` (radius), `capsule` or `cylinder` (radius, half
            length along its z).
        size: As the kind says. [m]
        position: Centre. Shape (3,). [m]
        rotation: Roll, pitch, yaw. Shape (3,). [rad]
        friction: Sliding coefficient; `None` takes the scene's. [1]
        collides: Whether it takes part in contacts.
        color: Red, green, blue, alpha, 0 to 1.
        name: Name for contact sensing; empty if none is needed.
    """

    kind: str
    size: tuple[float, ...]
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    friction: float | None = None
    collides: bool = True
    color: tuple[float, float, float, float] = (0.75, 0.75, 0.78, 1.0)
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown kind or a size of the wrong length."""
        widths = {"box": 3, "sphere": 1, "capsule": 2, "cylinder": 2}
        if self.kind not in widths:
            raise ConfigError(f"no shape '{self.kind}'.{suggestion(self.kind, widths)}")
        vector(self.size, widths[self.kind], f"{self.kind} size")


@dataclass(frozen=True, eq=False)
class Link:
    """One rigid body and the joint that carries it.

    Attributes:
        name: Link name; the first link of a robot is its base.
        parent: Name of the parent link; empty for the base.
        joint: Name of the joint that moves it; empty if it is fixed to its parent.
        position: Origin in the parent frame. Shape (3,). [m]
        rotation: Roll, pitch, yaw in the parent frame. Shape (3,). [rad]
        axis: Joint axis in the link frame. Shape (3,).
        mass: Mass. [kg]
        center_of_mass: In the link frame. Shape (3,). [m]
        inertia: Principal moments about the centre of mass, link axes. Shape (3,). [kg m^2]
        shapes: Primitives.
    """

    name: str
    parent: str
    mass: float
    center_of_mass: np.ndarray
    inertia: np.ndarray
    position: np.ndarray
    rotation: np.ndarray
    axis: np.ndarray
    joint: str = ""
    shapes: tuple[Shape, ...] = ()


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole colour camera; its frame looks along -z with y up (OpenGL, MuJoCo).

    Attributes:
        name: Camera name; its feature is `observation.images.<name>`.
        width: Image width. [px]
        height: Image height. [px]
        focal_length: Of square pixels. [px]
        link: Link it is mounted on.
        position: In the link frame. Shape (3,). [m]
        rotation: Roll, pitch, yaw in the link frame. Shape (3,). [rad]
    """

    name: str
    width: int
    height: int
    focal_length: float
    link: str
    position: np.ndarray
    rotation: np.ndarray


@dataclass(frozen=True, eq=False)
class Gains:
    """Stiffness and damping of the joint servo, one value per joint.

    Attributes:
        stiffness: Shape (n,). [N m/rad], [N/m]
        damping: Shape (n,). [N m s/rad], [N s/m]
    """

    stiffness: np.ndarray
    damping: np.ndarray


@dataclass(frozen=True, eq=False)
class Workspace:
    """A box a link's origin must stay in.

    Attributes:
        link: The watched link.
        lower: Corner in the base frame. Shape (3,). [m]
        upper: Opposite corner. Shape (3,). [m]
    """

    link: str
    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True, eq=False)
class RobotSpec:
    """Everything the package knows about a robot.

    Attributes:
        name: Robot name.
        joints: Actuated joints; this order is the order of every joint array in memory, and
            never crosses a boundary without the names.
        links: Rigid bodies, parents first.
        gains: One set per `CommandMode`.
        control_rate: Rate at which policies command it. [Hz]
        servo_rate: Rate of the joint servo. [Hz]
        floating_base: Whether the base moves freely.
        cameras: Colour cameras.
        imu_link: Link that carries the inertial unit; empty if there is none.
        tilt_limit: Largest angle between the base's z axis and up; `None` is unlimited. [rad]
        workspace: Box the end effector must stay in; `None` is unlimited.
        base_height: Height of the base in the default pose, floating bases only. [m]
    """

    name: str
    joints: tuple[Joint, ...]
    links: tuple[Link, ...]
    gains: Mapping[str, Gains]
    control_rate: float
    servo_rate: float
    floating_base: bool
    cameras: tuple[Camera, ...] = ()
    imu_link: str = ""
    tilt_limit: float | None = None
    workspace: Workspace | None = None
    base_height: float = 0.0

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joints, in order."""
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def lower(self) -> np.ndarray:
        """Lower position limits. Shape (n,). [rad], [m]."""
        return self._column("lower")

    @cached_property
    def upper(self) -> np.ndarray:
        """Upper position limits. Shape (n,). [rad], [m]."""
        return self._column("upper")

    @cached_property
    def velocity(self) -> np.ndarray:
        """Speed limits. Shape (n,). [rad/s], [m/s]."""
        return self._column("velocity")

    @cached_property
    def acceleration(self) -> np.ndarray:
        """Acceleration limits. Shape (n,). [rad/s^2], [m/s^2]."""
        return self._column("acceleration")

    @cached_property
    def jerk(self) -> np.ndarray:
        """Jerk limits. Shape (n,). [rad/s^3], [m/s^3]."""
        return self._column("jerk")

    @cached_property
    def effort(self) -> np.ndarray:
        """Effort limits. Shape (n,). [N m], [N]."""
        return self._column("effort")

    @cached_property
    def following_error(self) -> np.ndarray:
        """Following error limits, infinite where the effort is judged. Shape (n,). [rad], [m]."""
        return self._column("following_error")

    @cached_property
    def default(self) -> np.ndarray:
        """Default pose. Shape (n,). [rad], [m]."""
        return self._column("default")

    @cached_property
    def lying(self) -> np.ndarray:
        """Pose it lies in, NaN if it does not lie down. Shape (n,). [rad], [m]."""
        return self._column("lying")

    def _column(self, name: str) -> np.ndarray:
        column = np.array([getattr(joint, name) for joint in self.joints])
        column.setflags(write=False)
        return column

    @cached_property
    def streams(self) -> Mapping[str, ArraySpec]:
        """Streams the robot's sensors give, by feature name."""
        position = tuple("m" if joint.sliding else "rad" for joint in self.joints)
        streams = {
            STATE: ArraySpec(
                STATE,
                (2 * len(self.joints),),
                unit=(*position, *(f"{unit}/s" for unit in position)),
                names=(
                    *(f"{name}.pos" for name in self.joint_names),
                    *(f"{name}.vel" for name in self.joint_names),
                ),
            )
        }
        if self.imu_link:
            streams[IMU] = ArraySpec(IMU, (10,), unit=IMU_UNITS, names=IMU_NAMES)
        for camera in self.cameras:
            name = f"{IMAGES}.{camera.name}"
            streams[name] = ArraySpec(name, (camera.height, camera.width, 3), np.dtype(np.uint8))
        return streams

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any], where: str) -> "RobotSpec":
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
        cameras = tuple(
            _camera(name, entry, link_names, f"{where}: cameras.{name}")
            for name, entry in _entries(rest.pop("cameras", {}), f"{where}: cameras")
        )
        workspace = rest.pop("workspace", None)
        if workspace is not None:
            workspace = _workspace(workspace, link_names, f"{where}: workspace")
        if rest.get("imu_link"):
            _check_link(rest["imu_link"], link_names, f"{where}: imu_link")
        return build(
            cls,
            rest,
            where,
            joints=joints,
            links=links,
            cameras=cameras,
            workspace=workspace,
            gains={
                mode: _gains(gains[mode], len(joints), f"{where}: gains.{mode}")
                for mode in GAIN_MODES
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
