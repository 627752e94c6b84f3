"""The gains a policy expects beside those of the robot it is about to drive.

A walking policy is trained with one stiffness and damping of the servo; under others it falls.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from robot_policies.interface.action import ActionSpec
from robot_policies.interface.errors import ConfigError
from robot_policies.interface.findings import Finding
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.robot_parts import Gains

POLICY = "policy"  # the robot's set of gains that a policy is tracked with
ROUNDING = 1e-3  # share by which two gains may differ and be the same
UNITS = {"stiffness": ("N m/rad", "N/m"), "damping": ("N m s/rad", "N s/m")}


def check_gains(action: ActionSpec, robot: RobotSpec) -> Iterator[Finding]:
    """Yield an error for the first joint whose gains are not those the policy expects.

    Args:
        action: Of the policy; its joints are the robot's.
        robot: As it is to be commanded.
    """
    if action.gains is None:
        return
    expected, given = _in_order(action, action.gains, robot), robot.gains[POLICY]
    for name, units in UNITS.items():
        want, have = getattr(expected, name), getattr(given, name)
        wrong = np.abs(want - have) > ROUNDING * np.maximum(np.abs(want), np.abs(have))
        if wrong.any():
            i = int(np.argmax(wrong))
            joint = robot.joints[i]
            text = f"gains: {joint.name}: the policy expects {name} {want[i]:g} "
            text += f"{units[joint.sliding]}, {robot.name} has {have[i]:g}; 'gains contract' "
            yield Finding("error", "gains", text + "(--gains, gains:=) uses the policy's")
            return


def with_gains_of(robot: RobotSpec, action: ActionSpec) -> RobotSpec:
    """Return a robot that tracks a policy's targets with the gains that the policy expects.

    Raises:
        ConfigError: If the policy does not say them, or not of this robot's joints.
    """
    if action.gains is None:
        raise ConfigError("gains contract: the policy's contract.yaml says no 'gains'")
    if {*action.array.names} != {*robot.joint_names}:
        raise ConfigError(
            f"gains contract: gains of {[*action.array.names]}, {robot.name} has joints "
            f"{[*robot.joint_names]}"
        )
    gains = {**robot.gains, POLICY: _in_order(action, action.gains, robot)}
    return replace(robot, gains=gains)


def _in_order(action: ActionSpec, gains: Gains, robot: RobotSpec) -> Gains:
    """Return gains in the order of the robot's joints."""
    order = [action.array.names.index(name) for name in robot.joint_names]
    return Gains(gains.stiffness[order], gains.damping[order])
