"""Units: those of the contract, and those that become them where data enters."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robot_policies.interface.errors import ConfigError, suggestion
from robot_policies.interface.robot import RobotSpec

SI = ("rad", "rad/s", "m", "m/s", "m/s^2", "N", "N m", "1")
SCALES = {"deg": (np.pi / 180.0, "rad"), "deg/s": (np.pi / 180.0, "rad/s")}
PERCENT = "%"  # of a joint's range, LeRobot's unit of a gripper
# LeRobot's shares of a calibrated range: -100 to 100, and 0 to 100.
CALIBRATED = ("m100", "p100")
UNITS = (*SI, *SCALES, PERCENT, *CALIBRATED)


@dataclass(frozen=True)
class CalibratedJoint:
    """The range of a joint that LeRobot has calibrated.

    Attributes:
        span: Its width; its middle is LeRobot's 0 degrees. [rad]
        turned: Whether LeRobot counts it from the other end.
    """

    span: float
    turned: bool


def to_si(
    element: str,
    unit: object,
    robot: RobotSpec | None,
    where: str,
    calibration: Mapping[str, CalibratedJoint] | None = None,
) -> tuple[float, float, str]:
    """Return how a number in some unit becomes SI: SI value = scale * number + offset.

    Args:
        element: What the number is of; a joint or `<joint>.pos`, where the unit is `%`.
        unit: One of `UNITS`.
        robot: Its table says the range that `%` is of.
        where: For the message.
        calibration: Calibrated joints by name, where the unit is one of `CALIBRATED`.

    Returns:
        Scale, offset and the SI unit.

    Raises:
        ConfigError: If there is no such unit, or `%` is of no joint of the robot, or no joint of
            that name is calibrated.
    """
    if unit in SI:
        return 1.0, 0.0, str(unit)
    if unit in SCALES:
        scale, si = SCALES[str(unit)]
        return scale, 0.0, si
    if unit in CALIBRATED:
        return *_of_range(element, str(unit), calibration or {}, where), "rad"
    if unit != PERCENT:
        raise ConfigError(f"{where}.{element}: no unit '{unit}'.{suggestion(str(unit), UNITS)}")
    joints = {joint.name: joint for joint in robot.joints} if robot else {}
    joint = joints.get(element.removesuffix(".pos"))
    if joint is None:
        of = robot.name if robot else "an unknown robot"
        raise ConfigError(
            f"{where}: '{element}' is in %, but {of} has no such joint."
            f"{suggestion(element, joints)}"
        )
    return (joint.upper - joint.lower) / 100.0, joint.lower, "m" if joint.sliding else "rad"


def _of_range(
    element: str, unit: str, calibration: Mapping[str, CalibratedJoint], where: str
) -> tuple[float, float]:
    """Return scale and offset: v s / 200 for -100..100, and (v / 100 - 1 / 2) s for 0..100.

    s is the span, negative where it is counted from the other end.
    """
    joint = calibration.get(element.removesuffix(".pos"))
    if joint is None:
        raise ConfigError(
            f"{where}: '{element}' is in {unit}, but no such joint is calibrated."
            f"{suggestion(element, calibration)}"
        )
    span = -joint.span if joint.turned else joint.span
    return (span / 200.0, 0.0) if unit == CALIBRATED[0] else (span / 100.0, -span / 2.0)
