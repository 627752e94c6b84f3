"""The robot's file that a model file still needs: what the model says is left to it.

What a model does not say is assumed, and marked so: a person has to look at it before the robot
moves. Assumptions are slow and soft rather than fast and stiff.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_policies.interface.errors import ConfigError
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.robot_model import RobotModel
from robot_policies.interface.robot_table import read_robot
from robot_policies.robots.draft_text import (
    CONTROL_RATE,
    SERVO_RATE,
    robot_text,
    rounded,
    said_rows,
)
from robot_policies.robots.loads import gravity_loads, joint_inertias, lowest_point

SPEED, SLIDING_SPEED = 1.0, 0.1  # rad/s, m/s; a person steps aside in time
TURN = 2.0 * np.pi  # rad, of a joint without an end
FOLLOWING, SLIDING_FOLLOWING = 0.2, 0.02  # rad, m
LOAD_FACTOR = 2.0  # times the greatest load by gravity, where no effort is known
BANDWIDTH = 125.0  # rad/s, 20 Hz; a stiffer servo of a light joint shakes in 2 ms steps
DAMPING_RATIO = 0.7


@dataclass(frozen=True)
class Draft:
    """A robot's file and what is said in it.

    Attributes:
        text: The YAML.
        rows: What, its value, and whether the model says so or it is assumed.
    """

    text: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)


def draft_robot(name: str, file: Mapping[str, str], model: RobotModel, floating: bool) -> Draft:
    """Write a robot's file for a model.

    Args:
        name: Of the robot.
        file: What the robot's file says under `model`.
        model: What the model file says.
        floating: Whether the base moves freely.

    Raises:
        ConfigError: If what the model says contradicts itself.
    """
    joints = {joint: _joint(said) for joint, said in model.joints.items()}
    table = _table(name, model, joints, floating)
    robot = read_robot(table, name, model)
    masses, loads = joint_inertias(robot), gravity_loads(robot)
    unknown = [joint for joint, said in model.joints.items() if "effort" not in said]
    for i, joint in enumerate(model.joints):
        if joint in unknown:
            joints[joint]["effort"] = rounded(LOAD_FACTOR * max(float(loads[i]), 0.5))
    stiffness, damping = _gains(robot, model, joints, masses)
    height = model.base_height or -lowest_point(robot)
    rows = said_rows(model, joints, stiffness, floating, height)
    text = robot_text(name, file, model, joints, (stiffness, damping), floating, height)
    return Draft(text, rows)


def _table(
    name: str, model: RobotModel, joints: Mapping[str, Mapping[str, Any]], floating: bool
) -> dict[str, Any]:
    """Return a table to measure loads with; its gains do not matter yet."""
    gains = {"stiffness": 0.0, "damping": 0.0}
    return {
        "name": name,
        "units": {"length": "m", "angle": "rad", "mass": "kg", "time": "s", "force": "N"},
        "floating_base": floating,
        "control_rate": CONTROL_RATE,
        "servo_rate": SERVO_RATE,
        "joints": {
            joint: {"effort": 1.0, **model.joints[joint], **joints[joint]} for joint in joints
        },
        "gains": dict.fromkeys(("policy", "hold", "damp"), gains),
    }


def _joint(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a joint needs beside what the model says of it."""
    sliding, added = said.get("sliding", False), {}
    if "lower" not in said:
        added["lower"], added["upper"] = -rounded(TURN), rounded(TURN)
    lower, upper = (said.get(end, added.get(end)) for end in ("lower", "upper"))
    if lower is None or upper is None:
        raise ConfigError(f"limits {lower}, {upper}")
    if "default" not in said:
        added["default"] = 0.0 if lower <= 0.0 <= upper else rounded((lower + upper) / 2.0)
    elif not lower <= said["default"] <= upper:
        added["default"] = float(np.clip(said["default"], lower, upper))
    speed = said.get("velocity", SLIDING_SPEED if sliding else SPEED)
    if "velocity" not in said:
        added["velocity"] = speed
    added["acceleration"] = rounded(speed * CONTROL_RATE)  # full speed within a control period
    added["jerk"] = rounded(2.0 * speed * CONTROL_RATE**2)  # that reversed within one
    added["following_error"] = SLIDING_FOLLOWING if sliding else FOLLOWING
    return added


def _gains(
    robot: RobotSpec,
    model: RobotModel,
    joints: Mapping[str, Mapping[str, Any]],
    masses: np.ndarray,
) -> tuple[list[float], list[float]]:
    """Return stiffness and damping of the servos, the model's where it has them.

    Else the effort limit is reached at the following error, unless that is too stiff for the
    joint's inertia: k = min(effort / error, m w^2). Damping is d = 2 z sqrt(k m).
    """
    stiffness, damping = [], []
    for joint, mass in zip(robot.joints, masses, strict=True):
        effort = joints[joint.name].get("effort", joint.effort)
        stiff = min(effort / joint.following_error, float(mass) * BANDWIDTH**2)
        stiff = model.stiffness.get(joint.name, stiff)
        damp = model.damping.get(joint.name, 0.0) or (
            2.0 * DAMPING_RATIO * np.sqrt(stiff * float(mass))
        )
        stiffness.append(rounded(stiff))
        damping.append(rounded(damp))
    return stiffness, damping
