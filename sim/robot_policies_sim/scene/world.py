"""What stands around the robot, said without the words of any engine.

A task's `scene` is this mapping; both engines build their world from it, so that "the same scene"
is one piece of data. An empty mapping is a flat floor.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.interface.robot_parts import Shape
from robot_policies.interface.schema import build, check_keys
from robot_policies_sim.scene.cloth import Cloth

NONE, ROBOT, FLOOR = "none", "robot", "floor"  # what is there in every scene
CONES = ("pyramidal", "elliptic")
AXES = ("x", "y", "z")
# Light as each engine draws it. They add up to 1, so that a face that meets both lamps squarely
# shows its own colour, and no colour is cut off at white.
AMBIENT, HEADLIGHT, LAMP = 0.32, 0.36, 0.32
LAMP_DIRECTION = (-0.1, -0.2, -1.0)  # it shines this way, and the headlight where a camera looks


@dataclass(frozen=True)
class Contact:
    """How things touch, unless a shape says otherwise.

    Attributes:
        friction: Sliding coefficient of floor, robot and objects. [1]
        torsional: Coefficient against spinning on the spot. [m]
        rolling: Coefficient against rolling. [m]
        softness: Time constant with which a penetration is pushed out. [s]
            0.02 is hard ground; 0.06 gives about 6 mm under a standing Go1.
        dimensions: 3 slides, 4 also resists spinning, 6 also resists rolling.
        cone: Friction cone; pyramidal is faster, elliptic holds a grasp without creep.
    """

    friction: float = 0.8
    torsional: float = 0.02
    rolling: float = 0.01
    softness: float = 0.02
    dimensions: int = 3
    cone: str = "pyramidal"

    def __post_init__(self) -> None:
        """Refuse what no engine can simulate."""
        if self.cone not in CONES or self.dimensions not in (3, 4, 6):
            raise ConfigError(f"contact: cone {self.cone}, dimensions {self.dimensions}")
        frictions = np.array([self.friction, self.torsional, self.rolling], float)
        if not ((frictions >= 0.0) & (frictions < np.inf)).all() or not 0.0 < self.softness < 1.0:
            raise ConfigError(f"contact: friction must be >= 0, softness in (0, 1) s, got {self}")


@dataclass(frozen=True, eq=False)
class Object:
    """A rigid thing in the scene.

    Attributes:
        name: Its pose is the state's truth `object.<name>`.
        shape: Its one primitive, centred on its origin.
        position: Pose in the world when the task says nothing else. Shape (3,). [m]
        rotation: Roll, pitch, yaw. Shape (3,). [rad]
        mass: `None` is held in place, and moves only as an episode's conditions say. [kg]
        tracked: Axes, of `x`, `y` and `z`, along which the robot is told where it is: elements
            `<name>.<axis>` of `observation.environment_state`.
        label: What a camera with labels takes it for; its own name if it is empty. Objects of one
            label are of one class.
    """

    name: str
    shape: Shape
    position: tuple[float, float, float]
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mass: float | None = None
    tracked: tuple[str, ...] = ()
    label: str = ""

    def __post_init__(self) -> None:
        """Refuse a weightless moving object, and axes there are not."""
        object.__setattr__(self, "tracked", tuple(self.tracked))
        object.__setattr__(self, "label", self.label or self.name)
        for axis in self.tracked:
            if axis not in AXES:
                raise UnknownNameError("axis", axis, AXES, f"object '{self.name}': tracked")
        if self.name in (NONE, ROBOT, FLOOR):
            raise ConfigError(f"object '{self.name}': the name stands for something else")
        if self.mass is not None and not self.mass > 0.0:
            raise ConfigError(f"object '{self.name}': mass {self.mass} kg must be > 0")


@dataclass(frozen=True)
class View:
    """Where people look from; it follows the base of a robot that walks.

    Attributes:
        target: Point looked at, from the point of the floor below the base. Shape (3,). [m]
        distance: Distance to it. [m]
        azimuth: Direction of view in the plane, from x. [deg]
        elevation: Direction of view above the plane, negative looks down. [deg]
    """

    target: tuple[float, float, float] = (0.0, 0.0, 0.15)
    distance: float = 1.5
    azimuth: float = 130.0
    elevation: float = -18.0


@dataclass(frozen=True, eq=False)
class World:
    """A scene.

    Attributes:
        contact: Contact model.
        objects: Things beside the robot.
        cloths: Sleeves that the robot holds; they touch objects alone.
        view: People's view.
        floor_color: Red, green, blue, alpha, 0 to 1.
    """

    contact: Contact = Contact()
    objects: tuple[Object, ...] = ()
    cloths: tuple[Cloth, ...] = ()
    view: View = View()
    floor_color: tuple[float, float, float, float] = field(default=(0.62, 0.64, 0.66, 1.0))

    @cached_property
    def tracked(self) -> tuple[tuple[str, str], ...]:
        """Objects and axes that the robot is told of, in order."""
        return tuple((item.name, axis) for item in self.objects for axis in item.tracked)

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Which things can touch: robot and objects, floor and objects, objects among themselves.

        What is held in place does not touch what is, too. Cloth touches objects alone.
        """
        fixed = {FLOOR, *(item.name for item in self.objects if item.mass is None)}
        solid = [item.name for item in self.objects if item.shape.collides]
        pairs = [(first, name) for first in (ROBOT, FLOOR) for name in solid]
        pairs += [(one, other) for i, one in enumerate(solid) for other in solid[i + 1 :]]
        pairs = [pair for pair in pairs if not fixed.issuperset(pair)]
        return (*pairs, *((cloth.name, name) for cloth in self.cloths for name in solid))

    def contacts(self, forces: Iterable[tuple[str, str, float]]) -> dict[str, np.ndarray]:
        """Return who touches whom, and how hard [N], as truth.

        Args:
            forces: Two things that touch, and the normal force of one of their contacts. [N]
        """
        between = dict.fromkeys(self.pairs, 0.0)
        for one, other, force in forces:
            pair = (one, other) if (one, other) in between else (other, one)
            if pair in between:
                between[pair] += force
        truth = {f"contact.{one}.{other}": np.array([f]) for (one, other), f in between.items()}
        for item in self.objects:
            truth[f"robot_contact.{item.name}"] = np.array([between.get((ROBOT, item.name), 0.0)])
        return truth

    @cached_property
    def classes(self) -> dict[str, int]:
        """Number of each class a camera can see: `none`, `robot`, the objects', the cloths'.

        Floor and sky are `none`.
        """
        things = (*self.objects, *self.cloths)
        names = dict.fromkeys((NONE, ROBOT, *(item.label for item in things)))
        return {name: number for number, name in enumerate(names)}

    @classmethod
    def from_mapping(cls, scene: Mapping[str, Any], where: str = "scene") -> "World":
        """Read a task's `scene`.

        Args:
            scene: Keys as the fields; `objects` maps names to shape fields and pose, `cloths`
                maps names to the fields of `Cloth`.
            where: Origin, for messages.

        Raises:
            ConfigError: On an unknown or missing key or an impossible value.
        """
        check_keys(scene, ("contact", "objects", "cloths", "view", "floor_color"), where)
        rest = dict(scene)
        objects, cloths = (_named(rest, kind, where) for kind in ("objects", "cloths"))
        return build(
            cls,
            rest,
            where,
            contact=build(Contact, rest.pop("contact", {}), f"{where}.contact"),
            view=build(View, rest.pop("view", {}), f"{where}.view"),
            objects=tuple(
                _object(name, entry, f"{where}.objects.{name}") for name, entry in objects.items()
            ),
            cloths=tuple(
                build(Cloth, entry, f"{where}.cloths.{name}", name=name)
                for name, entry in cloths.items()
            ),
        )


def _named(scene: dict[str, Any], kind: str, where: str) -> Mapping[str, Any]:
    """Take the things of one kind out of a scene."""
    things = scene.pop(kind, {})
    if not isinstance(things, Mapping):
        raise ConfigError(f"{where}.{kind}: expected a mapping of names, got {things!r}")
    return things


def _object(name: str, entry: Any, where: str) -> Object:
    own = {"position", "rotation", "mass", "tracked", "label"}
    drawn = {"kind", "size", "friction", "collides", "color"}
    check_keys(entry, own | drawn, where)
    shape = build(Shape, {k: v for k, v in entry.items() if k in drawn}, where, name=name)
    given = {k: v for k, v in entry.items() if k in own}
    return build(Object, given, where, name=name, shape=shape)
