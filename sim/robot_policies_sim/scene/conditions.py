"""The initial condition of an episode, as tasks draw it and every simulator understands it.

What changes a robot or its world for one episode (payload, motor strength, friction, soft ground)
is a change of the table or the scene, so that both engines and training get it the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError, RobotSpec, UnknownNameError
from robot_policies.interface.robot_parts import Gains
from robot_policies.interface.schema import build, vector
from robot_policies_sim.scene.schedule import Course, Push, read_course, read_push
from robot_policies_sim.scene.world import World

SENSING = ("orientation_noise", "turn_noise", "position_noise", "velocity_noise", "picture_noise")
SENSING += ("camera_shift", "camera_turn")
GOAL = "goal"  # what a task keeps for itself in an initial condition; simulators pass over it


@dataclass(frozen=True, eq=False)
class EpisodeConditions:
    """State at time 0 and what is different about this episode.

    Attributes:
        base_position: `None` is the origin at the table's `base_height`. Shape (3,). [m]
        base_orientation: Quaternion x, y, z, w. Shape (4,).
        base_velocity: In the body frame. Shape (3,). [m/s]
        base_angular_velocity: In the body frame. Shape (3,). [rad/s]
        joint_position: By joint name; the default pose where nothing is said. [rad], [m]
        joint_velocity: By joint name, 0 where nothing is said. [rad/s], [m/s]
        friction: Sliding coefficient instead of the scene's. [1]
        softness: Contact time constant instead of the scene's. [s]
        payload: Added to the base, its inertia scaled alike. [kg]
        motor_strength: Factor on gains and effort limits. [1]
        gain: Factor on gains alone. [1]
        link_mass: Factor on mass and inertia of every link but the base. [1]
        joint_damping: Factor on the passive damping of the joints. [1]
        joint_friction: Factor on their dry friction. [1]
        armature: Factor on the inertia of their rotors. [1]
        latency_steps: Control periods between a command and its effect.
        objects: Pose of objects: position [m] and quaternion x, y, z, w. Shape (7,) each.
        courses: How objects without a mass move, by name: rows of time [s] and pose.
        cloths: By name, what differs from the scene's: a mapping of fields of `Cloth`.
        pushes: Kicks in order of time; floating bases only.
        push: Kicks of this size every few seconds, in directions drawn from the seed. [m/s]
        orientation_noise: Of the inertial unit, uniform to both sides. [rad]
        turn_noise: Of the gyroscope, likewise. [rad/s]
        position_noise: Of the measured joint positions, likewise. [rad], [m]
        velocity_noise: Of the measured joint speeds, likewise. [rad/s], [m/s]
        picture_noise: Standard deviation of each pixel's colours, of 255. [1]
        camera_shift: How far each camera is from where the table says, direction drawn. [m]
        camera_turn: By how much its roll, pitch and yaw differ, direction drawn. [rad]
    """

    base_position: Any = None
    base_orientation: Any = (0.0, 0.0, 0.0, 1.0)
    base_velocity: Any = 0.0
    base_angular_velocity: Any = 0.0
    joint_position: Mapping[str, float] = field(default_factory=dict)
    joint_velocity: Mapping[str, float] = field(default_factory=dict)
    friction: float | None = None
    softness: float | None = None
    payload: float = 0.0
    motor_strength: float = 1.0
    gain: float = 1.0
    link_mass: float = 1.0
    joint_damping: float = 1.0
    joint_friction: float = 1.0
    armature: float = 1.0
    latency_steps: int = 0
    objects: Mapping[str, Any] = field(default_factory=dict)
    courses: Mapping[str, Course] = field(default_factory=dict)
    cloths: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pushes: tuple[Push, ...] = ()
    push: float = 0.0
    orientation_noise: float = 0.0
    turn_noise: float = 0.0
    position_noise: float = 0.0
    velocity_noise: float = 0.0
    picture_noise: float = 0.0
    camera_shift: float = 0.0
    camera_turn: float = 0.0

    @classmethod
    def from_mapping(
        cls, options: Mapping[str, Any], spec: RobotSpec, world: World
    ) -> "EpisodeConditions":
        """Read what `Task.initial` gave.

        Args:
            options: Keys as the fields, and `goal`, which is the task's own.
            spec: The robot, for joint names and defaults.
            world: The scene, for object names.

        Raises:
            ConfigError: On an unknown key, joint or object, or an impossible value.
        """
        rest = {key: value for key, value in options.items() if key != GOAL}
        where = "initial"
        base = {
            key: vector(rest.pop(key, default), width, f"{where}.{key}")
            for key, width, default in (
                ("base_position", 3, (0.0, 0.0, spec.base_height)),
                ("base_orientation", 4, (0.0, 0.0, 0.0, 1.0)),
                ("base_velocity", 3, 0.0),
                ("base_angular_velocity", 3, 0.0),
            )
        }
        if abs(np.linalg.norm(base["base_orientation"]) - 1.0) > 1e-6:
            raise ConfigError(f"{where}.base_orientation: no unit quaternion")
        for key in ("joint_position", "joint_velocity"):
            named = rest.get(key, {})
            _check_names("joint", named, spec.joint_names, f"{where}.{key}")
            vector(list(named.values()), len(named), f"{where}.{key}")
        names = [item.name for item in world.objects]
        _check_names("object", rest.get("objects", {}), names, f"{where}.objects")
        _check_names(
            "cloth", rest.get("cloths", {}), [c.name for c in world.cloths], f"{where}.cloths"
        )
        poses = {
            name: vector(pose, 7, f"{where}.objects.{name}")
            for name, pose in rest.pop("objects", {}).items()
        }
        held = [item.name for item in world.objects if item.mass is None]
        _check_names("held object", rest.get("courses", {}), held, f"{where}.courses")
        courses = {
            name: read_course(rows, f"{where}.courses.{name}")
            for name, rows in rest.pop("courses", {}).items()
        }
        pushes = tuple(
            read_push(push, f"{where}.pushes[{i}]")
            for i, push in enumerate(rest.pop("pushes", ()))
        )
        made = build(cls, rest, where, objects=poses, courses=courses, pushes=pushes, **base)
        made.check(spec)
        return made

    def check(self, spec: RobotSpec) -> None:
        """Refuse a state or a change that cannot be.

        Raises:
            ConfigError: Naming the value.
        """
        position = self.positions(spec)
        for i, joint in enumerate(spec.joints):
            if not joint.lower <= position[i] <= joint.upper:
                raise ConfigError(
                    f"initial.joint_position[{joint.name}] = {position[i]:g} is outside "
                    f"[{joint.lower:g}, {joint.upper:g}]"
                )
        if self.payload and not spec.links[0].mass + self.payload > 0.0:
            raise ConfigError(f"initial.payload {self.payload} kg leaves a base without mass")
        whole = isinstance(self.latency_steps, int) and self.latency_steps >= 0
        if not (0.0 < self.motor_strength < np.inf and whole):
            raise ConfigError(
                f"initial: motor_strength {self.motor_strength} must be > 0 and latency_steps "
                f"{self.latency_steps} a whole number >= 0"
            )
        for name in ("gain", "link_mass", "armature"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ConfigError(f"initial: {name} {getattr(self, name)} must be > 0")
        for name in ("joint_damping", "joint_friction", "push", *SENSING):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise ConfigError(f"initial: {name} {getattr(self, name)} must be >= 0")
        if (self.pushes or self.push) and not spec.floating_base:
            raise ConfigError(f"initial: pushes: the base of '{spec.name}' does not move")

    def positions(self, spec: RobotSpec) -> np.ndarray:
        """Return the joint positions at time 0. Shape (n,). [rad], [m]."""
        return np.array([self.joint_position.get(j.name, j.default) for j in spec.joints])

    def velocities(self, spec: RobotSpec) -> np.ndarray:
        """Return the joint velocities at time 0. Shape (n,). [rad/s], [m/s]."""
        return np.array([self.joint_velocity.get(name, 0.0) for name in spec.joint_names])

    def robot(self, spec: RobotSpec) -> RobotSpec:
        """Return the table of the robot as it is in this episode."""
        base = spec.links[0]
        loaded = 1.0 + self.payload / base.mass if self.payload else 1.0
        base = replace(base, mass=base.mass * loaded, inertia=base.inertia * loaded)
        strength, heavier = self.motor_strength, self.link_mass
        stiffer = strength * self.gain
        return replace(
            spec,
            links=(
                base,
                *(
                    replace(link, mass=link.mass * heavier, inertia=link.inertia * heavier)
                    for link in spec.links[1:]
                ),
            ),
            joints=tuple(
                replace(
                    j,
                    effort=j.effort * strength,
                    damping=j.damping * self.joint_damping,
                    friction=j.friction * self.joint_friction,
                    armature=j.armature * self.armature,
                )
                for j in spec.joints
            ),
            gains={
                mode: Gains(gains.stiffness * stiffer, gains.damping * stiffer)
                for mode, gains in spec.gains.items()
            },
        )

    def scene(self, scene: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the scene as it is in this episode."""
        changed = {
            key: value
            for key, value in (("friction", self.friction), ("softness", self.softness))
            if value is not None
        }
        changed = {**scene, "contact": {**scene.get("contact", {}), **changed}}
        if self.cloths:
            cloths = scene.get("cloths", {})
            changed["cloths"] = {n: {**c, **self.cloths.get(n, {})} for n, c in cloths.items()}
        return changed


def _check_names(kind: str, given: Any, known: Any, where: str) -> None:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: expected a mapping of names, got {given!r}")
    for name in given:
        if name not in known:
            raise UnknownNameError(kind, name, known, where)
