"""What the elements of a recording's vectors are called, and in which units they are."""

from collections.abc import Sequence

from robot_policies.interface import ActionKind, RobotSpec
from robot_policies.interface.observation import (
    COMMAND,
    EFFORT,
    IMU,
    IMU_NAMES,
    IMU_UNITS,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
    VELOCITY_COMMAND_UNITS,
)

ACTION = "action"


def element_names(robot: RobotSpec, kind: ActionKind) -> dict[str, dict[str, Sequence[str]]]:
    """Return names and units of the elements of each feature; the action is of a kind."""
    position = tuple("m" if joint.sliding else "rad" for joint in robot.joints)
    command = VELOCITY_COMMAND_NAMES, VELOCITY_COMMAND_UNITS
    actions = {
        ActionKind.BASE_VELOCITY: command,
        ActionKind.JOINT_VELOCITY: (robot.joint_names, tuple(f"{unit}/s" for unit in position)),
    }
    table = {
        **{name: (spec.names, spec.units) for name, spec in robot.streams.items() if spec.names},
        COMMAND: (robot.command_stream.names, robot.command_stream.units),
        EFFORT: (robot.effort_stream.names, robot.effort_stream.units),
        ACTION: actions.get(kind, (robot.joint_names, position)),
        IMU: (IMU_NAMES, IMU_UNITS),
        VELOCITY_COMMAND: command,
    }
    return {name: {"names": names, "unit": unit} for name, (names, unit) in table.items()}
