"""The servos of an arm that LeRobot drives, as LeRobot's own class of the robot lists them."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lerobot.motors import Motor, MotorCalibration
from lerobot.robots import make_robot_from_config

from robot_policies.documents import read_json
from robot_policies.interface import ConfigError, RobotSpec
from robot_policies_hardware.emulators.motion import SERVO, Motion
from robot_policies_hardware.emulators.servo import FULL_TURN, Servo, family_of
from robot_policies_hardware.lerobot_config import config_class
from robot_policies_hardware.servos import arms, bus_of

RANGE = (0.1221, 0.8779)  # of a turn; of a joint that no table describes
TICK = 2.0 * math.pi / (FULL_TURN - 1)  # rad, as LeRobot counts a turn of 4096


def motors_of(kind: str) -> list[dict[str, Motor]]:
    """Return the motors of each arm of a robot, by name.

    Args:
        kind: LeRobot's robot type.

    Raises:
        ConfigError: If there is no such type, or a part of it is not on a bus of servos.
    """
    with TemporaryDirectory() as folder:
        fill = {"calibration_dir": Path(folder), "id": "emulated"}
        try:
            robot = make_robot_from_config(_filled(config_class(kind), fill))
        except Exception as error:  # each driver raises its own, a missing SDK included
            raise ConfigError(f"{kind}: {' '.join(str(error).split())}") from None
        buses = [bus_of(arm) for arm in arms(robot).values()]
    if None in buses:
        raise ConfigError(f"{kind} is not on a bus of servos")
    return [bus.motors for bus in buses if bus]


def calibration_of(
    motors: Mapping[str, Motor], robot: RobotSpec | None
) -> dict[str, MotorCalibration]:
    """Return a calibration of an arm whose ranges are those of a robot's table.

    Args:
        motors: Motors by name.
        robot: The table; without it, and for joints it has not, ranges are wide.
    """
    joints = {joint.name: joint for joint in robot.joints} if robot else {}
    found = {}
    for name, motor in motors.items():
        last = family_of(motor.model).turn - 1
        low, high = (round(share * last) for share in RANGE)
        if joint := joints.get(name):
            turn = (joint.upper - joint.lower) / (2.0 * math.pi)
            low, high = (round(last * (0.5 + side * turn)) for side in (-0.5, 0.5))
        found[name] = MotorCalibration(motor.id, 0, 0, max(low, 0), min(high, last))
    return found


def read_calibration(
    file: Path | None, motors: Mapping[str, Motor], robot: RobotSpec | None
) -> dict[str, MotorCalibration]:
    """Return the calibration that a file of LeRobot's holds; write the file if it is not there.

    Args:
        file: The file; without it, nothing is read or written.
        motors: Motors by name.
        robot: The robot's table.

    Raises:
        ConfigError: If the file is not the calibration of these motors.
    """
    if file and file.is_file():
        try:
            found = {name: MotorCalibration(**row) for name, row in read_json(file).items()}
        except (ConfigError, TypeError) as error:
            raise ConfigError(f"{file} is no calibration of LeRobot's: {error}") from None
        if {name: row.id for name, row in found.items()} != {n: m.id for n, m in motors.items()}:
            raise ConfigError(f"{file} has motors {list(found)}, expected {list(motors)}")
        return found
    made = calibration_of(motors, robot)
    if file:
        rows = {name: asdict(row) for name, row in made.items()}
        file.write_text(json.dumps(rows, indent=4) + "\n", encoding="utf-8")
    return made


def servos_of(
    motors: Mapping[str, Motor],
    calibration: Mapping[str, MotorCalibration],
    motion: Motion = SERVO,
) -> dict[int, Servo]:
    """Return calibrated servos in the middle of their ranges, by id.

    Args:
        motors: Motors by name.
        calibration: Calibration by name.
        motion: How the motors move.
    """
    servos = {}
    for name, motor in motors.items():
        servo, row = Servo(motor.model, motion), calibration[name]
        if row.homing_offset:  # the SCS series has no such register
            servo.put("Homing_Offset", row.homing_offset)
        servo.put("Min_Position_Limit", row.range_min)
        servo.put("Max_Position_Limit", row.range_max)
        servo.put("Present_Position", (row.range_min + row.range_max) // 2)
        servos[motor.id] = servo
    return servos


def _filled(cls: Any, values: Mapping[str, Any]) -> Any:
    """Return a configuration with something wherever one of the robot's arms needs it."""
    given = {}
    for field in fields(cls):
        if field.name in values:
            given[field.name] = values[field.name]
        elif field.name == "port":
            given["port"] = "emulated"
        elif field.name == "side":
            given["side"] = "right"
        elif isinstance(field.type, type) and is_dataclass(field.type):
            given[field.name] = _filled(field.type, {})
    return cls(**given)
