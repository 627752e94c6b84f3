"""What a robot is made of: joints, links and their shapes, cameras, gains.

All numbers are SI; joint and link frames follow URDF (REP-103: x forward, z up).
"""

from dataclasses import dataclass, field

import numpy as np

from robot_policies.interface.clouds import REACH
from robot_policies.interface.errors import ConfigError, suggestion
from robot_policies.interface.schema import vector


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


@dataclass(frozen=True)
class CoupledJoint:
    """A joint without a motor of its own: another joint carries it along.

    Its position is q = c0 + c1 p + c2 p^2 + c3 p^3 + c4 p^4, where p is the driver's position.

    Attributes:
        name: Joint name.
        driver: Name of the actuated joint.
        coefficients: c0 to c4.
        lower: Lower position limit. [rad], [m] for sliding joints
        upper: Upper position limit.
        damping: Passive damping, simulators only. [N m s/rad]
        armature: Reflected rotor inertia, simulators only. [kg m^2]
        friction: Dry friction, simulators only. [N m]
        sliding: Whether it slides rather than turns.
    """

    name: str
    driver: str
    coefficients: tuple[float, float, float, float, float]
    lower: float
    upper: float
    damping: float = 0.0
    armature: float = 0.0
    friction: float = 0.0
    sliding: bool = False

    def position(self, driver: float) -> float:
        """Return where it is while its driver is at a position. [rad], [m]."""
        return float(np.polynomial.polynomial.polyval(driver, self.coefficients))

    def slope(self, driver: float) -> float:
        """Return how far it moves per motion of its driver."""
        slopes = np.polynomial.polynomial.polyder(self.coefficients)
        return float(np.polynomial.polynomial.polyval(driver, slopes))


@dataclass(frozen=True, eq=False)
class Shape:
    """One collision and display shape of a link, in the link frame.

    Attributes:
        kind: `box` (half extents), `sphere` (radius), `capsule` or `cylinder` (radius, half
            length along its z), or `mesh`, which touches with its convex hull.
        size: As the kind says; of a mesh the factors along its axes. [m], [1]
        position: Centre. Shape (3,). [m]
        rotation: Roll, pitch, yaw. Shape (3,). [rad]
        friction: Sliding coefficient; `None` takes the scene's. [1]
        collides: Whether it takes part in contacts.
        color: Red, green, blue, alpha, 0 to 1.
        name: Name for contact sensing; empty if none is needed.
        file: Of a mesh, STL or OBJ, as an absolute path.
    """

    kind: str
    size: tuple[float, ...]
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    friction: float | None = None
    collides: bool = True
    color: tuple[float, float, float, float] = (0.75, 0.75, 0.78, 1.0)
    name: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown kind, a size of the wrong length, or a mesh without its file."""
        widths = {"box": 3, "sphere": 1, "capsule": 2, "cylinder": 2, "mesh": 3}
        if self.kind not in widths:
            raise ConfigError(f"no shape '{self.kind}'.{suggestion(self.kind, widths)}")
        vector(self.size, widths[self.kind], f"{self.kind} size")
        if (self.kind == "mesh") != bool(self.file):
            raise ConfigError(f"{self.kind}: a mesh has a file, other shapes have none")
        if self.file and self.name:
            raise ConfigError(f"mesh '{self.name}': contacts are sensed by other shapes alone")


@dataclass(frozen=True, eq=False)
class Link:
    """One rigid body and the joint that carries it.

    Attributes:
        name: Link name; the first link of a robot is its base.
        parent: Name of the parent link; empty for the base.
        joint: Name of the joint that moves it, actuated or coupled; empty if it is fixed to its
            parent.
        position: Origin in the parent frame. Shape (3,). [m]
        rotation: Roll, pitch, yaw in the parent frame. Shape (3,). [rad]
        axis: Joint axis in the link frame. Shape (3,).
        mass: Mass; 0 for a frame without a body. [kg]
        center_of_mass: In the link frame. Shape (3,). [m]
        inertia: Principal moments about the centre of mass. Shape (3,). [kg m^2]
        shapes: What it looks like and touches with.
        principal_axes: Roll, pitch, yaw of the principal axes in the link frame. Shape (3,). [rad]
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
    principal_axes: np.ndarray = field(default_factory=lambda: np.zeros(3))


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera; its frame looks along -z with y up (OpenGL, MuJoCo).

    Attributes:
        name: Camera name; its feature is `observation.images.<name>`.
        width: Image width. [px]
        height: Image height. [px]
        focal_length: Of square pixels. [px]
        link: Link it is mounted on.
        position: In the link frame. Shape (3,). [m]
        rotation: Roll, pitch, yaw in the link frame. Shape (3,). [rad]
        rate: Pictures per second; the robot's control rate where the table says nothing. [Hz]
        depth: Whether it measures depth, aligned with the picture.
        labels: Whether each pixel has a class, aligned with the picture.
    """

    name: str
    width: int
    height: int
    focal_length: float
    link: str
    position: np.ndarray
    rotation: np.ndarray
    rate: float
    depth: bool = False
    labels: bool = False

    def __post_init__(self) -> None:
        """Refuse a camera that takes no pictures."""
        if not (np.isfinite(self.rate) and self.rate > 0.0):
            raise ConfigError(f"camera '{self.name}': rate {self.rate} Hz must be > 0")


@dataclass(frozen=True)
class Cloud:
    """A cloud of points with classes, made of what one camera measures.

    Attributes:
        camera: The camera; it measures depth and gives labels.
        points: Most points there are.
        frame: Link whose frame they are in.
        reach: Greatest coordinate that can be right. [m]
    """

    camera: str
    points: int
    frame: str
    reach: float = REACH

    def __post_init__(self) -> None:
        """Refuse a cloud without points."""
        if not self.points >= 1 or not self.reach > 0.0:
            raise ConfigError(f"points {self.points} and reach {self.reach} m must be > 0")


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
