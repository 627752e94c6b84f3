"""How much a simulated robot may differ from its table: what a policy must bear to leave the lab.

Ranges follow walk-these-ways and mujoco_playground where they name one, narrowed to what the
walking policy still learns in half an hour on two cores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies_sim.scene.parameters import Range

AMPLITUDES = ("center_of_mass", "push", "orientation_noise", "turn_noise", "position_noise")
AMPLITUDES += ("velocity_noise",)


@dataclass(frozen=True)
class Randomization:
    """Uniform ranges; a range of one value switches its quantity off.

    Attributes:
        friction: Sliding coefficient of floor and feet. [1]
        softness: Time constant of the ground contact. [s]
        payload: Added to the base's mass. [kg]
        center_of_mass: Shift of the base's, to both sides, along x and y; z a third. [m]
        gain: Factor on stiffness and damping of all servos.
        strength: Factor on the effort limits.
        joint_friction: Factor on dry friction.
        joint_damping: Factor on passive damping.
        armature: Factor on the inertia of the rotors.
        latency: Age of a target when the servo takes it up, in servo steps.
        push: Largest sudden change of the base's velocity in the plane. [m/s]
        push_interval: Mean time between pushes. [s]
        orientation_noise: Of the inertial unit, uniform to both sides. [rad]
        turn_noise: Of the gyroscope. [rad/s]
        position_noise: Of the joint encoders. [rad]
        velocity_noise: Of the joint speeds. [rad/s]
    """

    friction: Range = (0.4, 1.2)
    softness: Range = (0.01, 0.03)
    payload: Range = (-0.5, 1.5)
    center_of_mass: float = 0.03
    gain: Range = (0.85, 1.15)
    strength: Range = (0.8, 1.0)
    joint_friction: Range = (0.5, 1.5)
    joint_damping: Range = (0.5, 2.0)
    armature: Range = (1.0, 1.0)
    latency: tuple[int, int] = (0, 4)
    push: float = 0.5
    push_interval: float = 5.0
    orientation_noise: float = 0.03
    turn_noise: float = 0.2
    position_noise: float = 0.02
    velocity_noise: float = 1.0

    def __post_init__(self) -> None:
        """Refuse reversed ranges."""
        for name, value in vars(self).items():
            if isinstance(value, tuple) and not value[0] <= value[1]:
                raise ConfigError(f"randomization: {name} is reversed: {value}")

    def within(self, ranges: Mapping[str, Sequence[float]]) -> "Randomization":
        """Return these ranges, but for some.

        Args:
            ranges: Least and greatest value by the name of a field. What is drawn to both sides
                of 0 has one number, the greatest.

        Raises:
            ConfigError: If a field is unknown or a range is none.
        """
        pairs = [name for name, value in vars(self).items() if isinstance(value, tuple)]
        known = [*pairs, *AMPLITUDES]
        for name, value in ranges.items():
            if name not in known:
                raise UnknownNameError("range", name, known, "randomization")
            if not (isinstance(value, list | tuple) and len(value) == 2):
                raise ConfigError(f"randomization: {name}: expected two numbers, got {value!r}")
        return replace(
            self,
            **{n: (low, high) if n in pairs else high for n, (low, high) in ranges.items()},
        )


UNVARIED = Randomization(
    friction=(0.8, 0.8),
    softness=(0.02, 0.02),
    payload=(0.0, 0.0),
    center_of_mass=0.0,
    gain=(1.0, 1.0),
    strength=(1.0, 1.0),
    joint_friction=(1.0, 1.0),
    joint_damping=(1.0, 1.0),
    latency=(0, 0),
    push=0.0,
    orientation_noise=0.0,
    turn_noise=0.0,
    position_noise=0.0,
    velocity_noise=0.0,
)
