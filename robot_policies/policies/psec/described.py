"""What a data set says of a policy's elements: names, units and time, checked."""

from typing import Any

from robot_policies.catalog import load_robot
from robot_policies.data.reading import recorded_of
from robot_policies.interface import ActionKind, ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.learning.elements import ACTION, joint_of
from robot_policies.policies.psec.configuration_psec import PsecConfig


def describe_elements(config: PsecConfig, meta: Any) -> None:
    """Fill in names, units and time from a data set and the robot's table.

    Raises:
        ConfigError: If the data set contradicts the checkpoint, or the robot lacks a joint.
    """
    recorded = recorded_of(meta)
    if config.dt:  # a checkpoint goes on
        recorded.require_rate(1.0 / config.dt)
    config.dt = 1.0 / meta.fps
    robot = load_robot(config.robot) if config.robot else None
    if robot:
        recorded.require_robot(robot.name)
    for name in [*(config.input_features or {}), ACTION]:
        known, units = config.element_names.get(name, []), config.element_units.get(name, [])
        recorded.require_same(name, known, units)
        config.element_names[name] = names = recorded.elements(name)
        if robot is None:
            continue
        if name == ACTION:
            for element in names:
                if joint_of(element) not in robot.joint_names:
                    raise ConfigError(
                        f"{meta.root}: '{ACTION}' has '{element}', robot {config.robot} has no "
                        f"such joint.{suggestion(joint_of(element), robot.joint_names)}"
                    )
        velocity = name == ACTION and config.action_kind == ActionKind.JOINT_VELOCITY
        config.element_units[name] = recorded.joint_units(name, robot, velocity=velocity)
