"""In what a robot and its world may differ from their tables: the one list of such parameters.

Three places speak of them. An initial condition sets one for an episode, which attributes failures
to it. Training draws it from a range. Identification finds it in recorded motion. What is listed
here holds for every robot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robot_policies.interface import ConfigError, RobotSpec, UnknownNameError

Range = tuple[float, float]
LATENCY = "latency"


@dataclass(frozen=True)
class Parameter:
    """One quantity.

    Attributes:
        unit: `1` for a factor on what the table says.
        nominal: Where nothing differs; `None` is what the scene says.
        bounds: Beyond them no robot is.
        condition: The field of `EpisodeConditions` that sets it.
        ranges: The fields of `Randomization` it is drawn from.
        of_joints: Whether the motion of the joints tells it, whatever the robot touches.
    """

    unit: str
    nominal: float | None
    bounds: Range
    condition: str
    ranges: tuple[str, ...] = ()
    of_joints: bool = False


def _amplitude(unit: str, most: float, name: str) -> Parameter:
    """Return noise that training draws, too: uniform to both sides."""
    return Parameter(unit, 0.0, (0.0, most), name, (name,))


PARAMETERS: Mapping[str, Parameter] = {
    "friction": Parameter("1", None, (0.05, 2.0), "friction", ("friction",)),
    "softness": Parameter("s", None, (0.005, 0.1), "softness", ("softness",)),
    "payload": Parameter("kg", 0.0, (-1.0, 10.0), "payload", ("payload",)),
    "link_mass": Parameter("1", 1.0, (0.5, 2.0), "link_mass"),
    "motor_strength": Parameter(
        "1", 1.0, (0.4, 1.6), "motor_strength", ("gain", "strength"), of_joints=True
    ),
    "joint_friction": Parameter(
        "1", 1.0, (0.0, 8.0), "joint_friction", ("joint_friction",), of_joints=True
    ),
    "joint_damping": Parameter(
        "1", 1.0, (0.0, 20.0), "joint_damping", ("joint_damping",), of_joints=True
    ),
    "armature": Parameter("1", 1.0, (0.2, 5.0), "armature", ("armature",), of_joints=True),
    LATENCY: Parameter("s", 0.0, (0.0, 0.08), "latency_steps", ("latency",), of_joints=True),
    "gain": Parameter("1", 1.0, (0.4, 1.6), "gain", ("gain",)),
    "push": Parameter("m/s", 0.0, (0.0, 3.0), "push", ("push",)),
    "orientation_noise": _amplitude("rad", 0.3, "orientation_noise"),
    "turn_noise": _amplitude("rad/s", 2.0, "turn_noise"),
    "position_noise": _amplitude("rad", 0.2, "position_noise"),
    "velocity_noise": _amplitude("rad/s", 10.0, "velocity_noise"),
    "picture_noise": Parameter("1", 0.0, (0.0, 100.0), "picture_noise"),
    "camera_shift": Parameter("m", 0.0, (0.0, 0.1), "camera_shift"),
    "camera_turn": Parameter("rad", 0.0, (0.0, 0.5), "camera_turn"),
}


def parameter(name: str) -> Parameter:
    """Return a parameter.

    Raises:
        UnknownNameError: Naming the nearest.
    """
    if name not in PARAMETERS:
        raise UnknownNameError("parameter", name, PARAMETERS)
    return PARAMETERS[name]


def condition(values: Mapping[str, float], robot: RobotSpec) -> dict[str, Any]:
    """Return the fields of an initial condition in which parameters have these values.

    Args:
        values: By name; a latency is rounded to whole control periods.
        robot: Whose control periods.
    """
    return {
        parameter(name).condition: round(value * robot.control_rate) if name == LATENCY else value
        for name, value in values.items()
    }


def ranges(found: Mapping[str, Range], robot: RobotSpec) -> dict[str, Range]:
    """Return fields of `Randomization` that are drawn between these values.

    Args:
        found: Least and greatest value by name; a latency is rounded to whole servo steps.
        robot: Whose servo steps.

    Raises:
        ConfigError: If a parameter is none that training draws.
    """
    drawn: dict[str, Range] = {}
    for name, (low, high) in found.items():
        if not parameter(name).ranges:
            raise ConfigError(f"training does not draw '{name}'")
        if name == LATENCY:
            low, high = (round(value * robot.servo_rate) for value in (low, high))
        drawn |= dict.fromkeys(parameter(name).ranges, (low, high))
    return drawn
