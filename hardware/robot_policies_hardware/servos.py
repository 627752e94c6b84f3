"""Servos of a LeRobot robot that stay where they are, as far as a servo can be told to.

A servo keeps the goal of its last user, and takes a goal beyond its own limits for the limit.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lerobot.motors.feetech import FeetechMotorsBus
from lerobot.motors.motors_bus import MotorNormMode, MotorsBusBase, SerialMotorsBus
from lerobot.robots import Robot
from lerobot.utils.constants import HF_LEROBOT_CALIBRATION, ROBOTS

from robot_policies.calibration import read_calibration
from robot_policies.interface import BackendError
from robot_policies.interface.units import CalibratedJoint

GIVE = 0.01  # share of its range by which a joint that rests at its stop is measured beyond it


def arms(robot: Robot) -> dict[str, Robot]:
    """Return the robots of LeRobot that a robot consists of, or itself, by what it calls them.

    Motors of its `left_arm` are called `left_...` in its actions; of itself, nothing is added.
    """
    inner = {name: part for name, part in vars(robot).items() if isinstance(part, Robot)}
    found = {}
    for name, part in inner.items():
        prefix = f"{name.removesuffix('_arm')}_"
        found |= {f"{prefix}{below}": arm for below, arm in arms(part).items()}
    return found or {"": robot}


def bus_of(arm: Robot) -> SerialMotorsBus | None:
    """Return the bus of an arm's servos; `None` if it has no bus at all.

    Raises:
        BackendError: If it has a bus of another kind: what its motors do when their torque comes
            on is not known here.
    """
    for name, part in vars(arm).items():
        if isinstance(part, SerialMotorsBus):
            return part
        if isinstance(part, MotorsBusBase):
            raise BackendError(
                f"lerobot {arm.name}: {name} is a {type(part).__name__}, expected servos' bus, "
                "which are told where they are before torque comes on"
            )
    return None


@runtime_checkable
class Counted(Protocol):
    """A robot without a bus that says what its motors are counted in.

    Attributes:
        norm_modes: By motor.
    """

    norm_modes: Mapping[str, MotorNormMode]


def norm_modes(robot: Robot) -> dict[str, MotorNormMode]:
    """Return the scale of each motor that says one, by its name in the robot's actions."""
    found = {}
    for prefix, arm in arms(robot).items():
        modes = arm.norm_modes if isinstance(arm, Counted) else {}
        if bus := bus_of(arm):
            modes = {name: motor.norm_mode for name, motor in bus.motors.items()}
        found |= {f"{prefix}{name}": mode for name, mode in modes.items()}
    return found


def calibrated(robot: Robot, folder: Path | None) -> dict[str, CalibratedJoint]:
    """Return the range of each motor that LeRobot's calibration files of a robot describe.

    Args:
        robot: LeRobot's robot; it may have been made with another folder.
        folder: Where its files are; `None` is where LeRobot has them.

    Raises:
        ConfigError: If a file is missing, or is not that of these motors.
    """
    found = {}
    for prefix, arm in arms(robot).items():
        if bus := bus_of(arm):
            place = folder or HF_LEROBOT_CALIBRATION / ROBOTS / arm.name
            models = {name: motor.model for name, motor in bus.motors.items()}
            ranges = read_calibration(place / arm.calibration_fpath.name, models)
            found |= {f"{prefix}{name}": joint for name, joint in ranges.items()}
    return found


@contextmanager
def without_cameras(robot: Robot) -> Iterator[None]:
    """Have a robot observe its motors alone: each of LeRobot's looks through `cameras`."""
    found = [(arm, vars(arm)["cameras"]) for arm in arms(robot).values() if "cameras" in vars(arm)]
    try:
        for arm, _ in found:
            vars(arm)["cameras"] = {}
        yield
    finally:
        for arm, cameras in found:
            vars(arm)["cameras"] = cameras


class Servos:
    """All servos of one robot, on one bus, or on one for each arm; none if it has another kind."""

    def __init__(self, robot: Robot) -> None:
        """Have them keep their place when the robot is connected.

        Their goals are set to where they are before the torque comes on.

        Args:
            robot: LeRobot's robot, not yet connected.
        """
        self._buses = [bus for arm in arms(robot).values() if (bus := _keep_in_place(arm))]
        self._limp: list[tuple[SerialMotorsBus, str]] = []

    def release_beyond(self) -> None:
        """Switch the torque off where a servo is beyond its limits: it could only jump there."""
        for bus in self._buses:
            for motor, _ in _beyond(bus):
                bus.disable_torque(motor)
                self._limp.append((bus, motor))

    def engage(self) -> None:
        """Switch the torque on again where it was switched off; the goals are new by then."""
        while self._limp:
            bus, motor = self._limp.pop()
            bus.enable_torque(motor)


def _keep_in_place(arm: Robot) -> SerialMotorsBus | None:
    bus = bus_of(arm)
    if bus is None:
        return None
    configure = arm.configure

    def configure_in_place() -> None:
        if arm.is_calibrated:
            for motor, way in _beyond(bus):
                raise BackendError(
                    f"'{motor}' is {way:.0%} of its calibrated range beyond it and would jump to "
                    "its limit; move it back while it has no torque"
                )
        here = _ticks(bus)
        bus.sync_write("Goal_Position", here, normalize=False)
        configure()

    arm.configure = configure_in_place
    return bus


def _beyond(bus: SerialMotorsBus) -> Iterator[tuple[str, float]]:
    """Yield which servos are beyond their limits, and by which share of their range."""
    for motor, ticks in _ticks(bus).items():
        limits = bus.calibration[motor]
        way = max(limits.range_min - ticks, ticks - limits.range_max)
        share = way / (limits.range_max - limits.range_min)
        if share > GIVE:
            yield motor, share


def _ticks(bus: SerialMotorsBus) -> dict[str, Any]:
    """Return where each servo is; Feetech's protocol 1 reads one after the other. [ticks]."""
    place = "Present_Position"
    if isinstance(bus, FeetechMotorsBus) and bus.protocol_version == 1:
        return {motor: bus.read(place, motor, normalize=False) for motor in bus.motors}
    return bus.sync_read(place, normalize=False)
