"""Units: those of the contract, and those that become them where data enters."""

import numpy as np

from robot_policies.interface.errors import ConfigError, suggestion
from robot_policies.interface.robot import RobotSpec

SI = ("rad", "rad/s", "m", "m/s", "m/s^2", "N", "N m", "1")
SCALES = {"deg": (np.pi / 180.0, "rad"), "deg/s": (np.pi / 180.0, "rad/s")}
PERCENT = "%"  # of a joint's range, LeRobot's unit of a gripper
UNITS = (*SI, *SCALES, PERCENT)


def to_si(
    element: str, unit: object, robot: RobotSpec | None, where: str
) -> tuple[float, float, str]:
    """Return how a number in some unit becomes SI: SI value = scale * number + offset.

    Args:
        element: What the number is of; a joint or `<joint>.pos`, where the unit is `%`.
        unit: One of `UNITS`.
        robot: Its table says the range that `%` is of.
        where: For the message.

    Returns:
        Scale, offset and the SI unit.

    Raises:
        ConfigError: If there is no such unit, or `%` is of no joint of the robot.
    """
    if unit in SI:
        return 1.0, 0.0, str(unit)
    if unit in SCALES:
        scale, si = SCALES[str(unit)]
        return scale, 0.0, si
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
