"""Any robot LeRobot drives, by its type name; the SO-101 follower arm is the reference.

LeRobot speaks degrees, or -100..100 of a calibrated range, and percent of the range for grippers.
All become SI here, once: degrees by pi/180, percent by the limits in the robot's table, -100..100
by the calibration file. Velocities are the slope of the positions unless the robot measures them.

Position servos cannot be damped without letting the arm fall, so the damping mode of this backend
holds the measured position: as it is, where it can be true and the servo can hold it. Where it
cannot be true the servos keep their goals, and a servo beyond its own limits loses its torque.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from lerobot.motors.motors_bus import MotorNormMode
from lerobot.robots import Robot, make_robot_from_config

from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    CommandMode,
    ContractError,
    RobotSpec,
    RobotState,
    check_command,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import IMAGES, STATE
from robot_policies.interface.plausibility import Plausibility
from robot_policies.interface.units import CalibratedJoint
from robot_policies_hardware.lerobot_config import (
    camera_streams,
    picture_sizes,
    robot_config,
)
from robot_policies_hardware.motor_units import MotorUnits
from robot_policies_hardware.pictures import shrink
from robot_policies_hardware.servos import Servos, arms, calibrated, norm_modes, without_cameras
from robot_policies_hardware.slope import Slope


class LerobotBackend:
    """A `lerobot.robots.Robot` as a backend.

    Attributes:
        config: LeRobot's configuration of the robot.
        units: What LeRobot counts its motors in.
    """

    accepts = frozenset({ActionKind.JOINT_POSITION})

    def __init__(
        self,
        spec: RobotSpec,
        scene: Mapping[str, Any] | None = None,
        *,
        type: str = "so101_follower",  # noqa: A002, LeRobot's own word
        units: Mapping[str, str] | None = None,
        motors: Mapping[str, str] | None = None,
        zeros: Mapping[str, float] | None = None,
        signs: Mapping[str, float] | None = None,
        pictures: Mapping[str, Mapping[str, int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        **config: Any,
    ) -> None:
        """Read the configuration; the device is opened by `connect`.

        Args:
            spec: The robot's table.
            scene: The task's world; a real one is as it is.
            type: LeRobot's robot type, as `lerobot-teleoperate --robot.type` takes it.
            units: LeRobot's unit of a joint, `deg`, `%`, `m100`, `rad` or `m`; what its driver
                counts in if not given, and `deg` where the driver does not say.
            motors: LeRobot's name of a joint, if it is another.
            zeros: Position in the robot's table where LeRobot's is 0. [rad], [m]
            signs: -1 for a joint that LeRobot counts the other way round.
            pictures: `width` and `height` [px] to which a camera's pictures are shrunk, by camera;
                without them they are as the camera gives them.
            clock: Gives the stamps. [s]
            **config: Options of LeRobot's robot: `port`, `id`, `cameras`, ...

        Raises:
            ConfigError: If a type, joint, unit or option is unknown.
        """
        self.spec = spec
        self._type, self._clock = type, clock
        self.config = robot_config(type, config)
        modes, ranges = self._counted()
        self.units = MotorUnits(spec, modes, units, motors, zeros, signs, ranges)
        self._shrunk = picture_sizes(self.config, pictures or {})
        self._cameras = camera_streams(self.config, self._shrunk)
        self.provides = {STATE: spec.streams[STATE], **self._cameras}
        self._robot: Robot | None = None
        self._slope = Slope()

    @property
    def robot(self) -> Robot | None:
        """LeRobot's robot; `None` while it is not connected."""
        return self._robot

    def connect(self) -> None:
        """Open the device, without calibrating and without moving.

        Raises:
            BackendError: If it is not there, not calibrated, or has other motors.
        """
        try:
            self._robot = make_robot_from_config(self.config)
        except Exception as error:  # each driver raises its own, a missing SDK included
            raise self._failed("make", error) from None
        self._check_motors(self._robot)
        self._check_calibration_file(self._robot)
        self._servos = Servos(self._robot)
        try:
            self._robot.connect(calibrate=False)
            calibrated = self._robot.is_calibrated
        except Exception as error:
            self._robot = None
            raise self._failed("connect", error) from None
        if not calibrated:
            file = self._robot.calibration_fpath
            with suppress(BackendError):
                self.close()
            raise BackendError(
                f"lerobot {self._type}: the calibration in the motors is not that of {file}. "
                f"{self._calibrate_line()}"
            )
        self._slope, self._joints = Slope(), Plausibility(self.spec)
        self._target: np.ndarray | None = None
        self._hold()

    def read(self, pictures: bool = True) -> RobotState:
        """Return positions, velocities and the newest picture of each camera that is wanted."""
        stamp = self._clock()
        return self.state(self.observe(pictures), stamp, pictures)

    def observe(self, pictures: bool = True) -> dict[str, Any]:
        """Return what LeRobot's robot observes, with its own names and units.

        Args:
            pictures: Whether its cameras are read.

        Raises:
            BackendError: If it does not answer.
        """
        robot = self._connected("read")
        try:
            if pictures:
                return robot.get_observation()
            with without_cameras(robot):
                return robot.get_observation()
        except Exception as error:
            raise self._failed("read", error) from None

    def state(
        self, observed: Mapping[str, Any], stamp: float, pictures: bool = True
    ) -> RobotState:
        """Return what was observed as a measurement.

        Args:
            observed: What `observe` returned.
            stamp: When. [s]
            pictures: Whether it has pictures, and they are wanted.
        """
        position = self.units.positions(observed)
        self._joints.judge(position, stamp)
        velocity, measured = self._slope.update(position, stamp), self.units.velocities(observed)
        wanted = self._cameras if pictures else ()
        seen = {name: self._picture(observed, name) for name in wanted}
        return RobotState(
            stamp=stamp,
            joint_position=position,
            joint_velocity=velocity if measured is None else measured,
            features=seen,
            stamps={name: self._captured(name, stamp) for name in seen},
        )

    def write(self, command: Command) -> Command:
        """Send joint targets; returns those that LeRobot says it sent.

        Raises:
            BackendError: If they are none a joint may get, or the robot does not take them.
        """
        robot = self._connected("write")
        check_command(command, self.spec, self.accepts, "lerobot")
        if command.mode is CommandMode.DAMP:
            sent = self._hold()
        else:
            sent = self._send(robot, np.asarray(command.values, dtype=np.float64))
            self._engage()
        return Command(command.stamp, sent, command.kind, command.mode)

    def stop(self, reason: str) -> None:
        """Hold the measured position."""
        if self._robot is None:
            return
        try:
            self._hold()
        except (BackendError, ContractError):
            return  # the bus is gone, and with it every means of stopping

    def close(self) -> None:
        """Disconnect; whether the torque goes off is `disable_torque_on_disconnect`."""
        robot, self._robot = self._robot, None
        if robot is None:
            return
        try:
            robot.disconnect()
        except Exception as error:
            raise self._failed("disconnect", error) from None

    def _hold(self) -> np.ndarray:
        """Hold the measured position; return the goals of the servos, as far as is known."""
        robot = self._connected("stop")
        here = self.units.positions(self.observe(pictures=False))
        try:
            self._servos.release_beyond()
        except Exception as error:
            raise self._failed("write", error) from None
        if self._joints.judge(here, self._clock()) is None:
            return self._send(robot, here)
        return here if self._target is None else self._target

    def _send(self, robot: Robot, values: np.ndarray) -> np.ndarray:
        """Send joint targets in the motors' units; return what was sent, in SI. Shape (n,)."""
        try:
            self._target = self.units.positions(robot.send_action(self.units.action(values)))
        except Exception as error:
            raise self._failed("write", error) from None
        return self._target

    def _engage(self) -> None:
        try:
            self._servos.engage()
        except Exception as error:
            raise self._failed("write", error) from None

    def _picture(self, measured: Mapping[str, Any], stream: str) -> np.ndarray:
        name = stream.removeprefix(f"{IMAGES}.")
        picture = np.asarray(measured[name])
        return shrink(picture, self._shrunk[name]) if name in self._shrunk else picture

    def _captured(self, name: str, stamp: float) -> float:
        cameras = getattr(self._robot, "cameras", {})
        camera = cameras.get(name.removeprefix(f"{IMAGES}."))
        captured = getattr(camera, "latest_timestamp", None)  # time.perf_counter()
        return stamp if captured is None else self._clock() - (time.perf_counter() - captured)

    def _counted(self) -> tuple[dict[str, MotorNormMode], dict[str, CalibratedJoint]]:
        """Return what each motor is counted in, and the ranges of motors counted in -100..100.

        Raises:
            BackendError: If LeRobot's class cannot be made, moves a base, or has a bus that is not
                known here.
            ConfigError: If a range is needed and the calibration file is missing or another's.
        """
        folder = self.config.calibration_dir
        with TemporaryDirectory() as empty:  # where LeRobot would make a folder
            try:
                robot = make_robot_from_config(replace(self.config, calibration_dir=Path(empty)))
                modes, moved = norm_modes(robot), robot.action_features
            except BackendError:
                raise
            except Exception as error:  # each driver raises its own, a missing SDK included
                raise self._failed("make", error) from None
        if base := sorted(name for name in moved if name.endswith((".vel", "velocity"))):
            raise BackendError(
                f"lerobot {self._type}: it moves a base ({', '.join(base)}), expected joints alone"
            )
        if MotorNormMode.RANGE_M100_100 not in modes.values():
            return modes, {}
        return modes, calibrated(robot, folder and Path(folder))

    def _check_motors(self, robot: Robot) -> None:
        known = {name.removesuffix(".pos") for name in robot.action_features}
        measured = robot.observation_features
        for joint, motor in zip(self.spec.joint_names, self.units.motors, strict=True):
            if motor not in known or f"{motor}.pos" not in measured:
                raise BackendError(
                    f"lerobot {self._type}: joint '{joint}' of {self.spec.name}: no motor "
                    f"'{motor}'.{suggestion(motor, known)}"
                )
        for motor in sorted(known - set(self.units.motors)):
            raise BackendError(
                f"lerobot {self._type}: motor '{motor}' is no joint of {self.spec.name}."
                f"{suggestion(motor, self.spec.joint_names)}"
            )

    def _check_calibration_file(self, robot: Robot) -> None:
        for arm in arms(robot).values():
            try:
                needs_none = arm.is_calibrated
            except Exception:  # asks the motors, which are not connected yet
                needs_none = False
            file = Path(arm.calibration_fpath)
            if not needs_none and not file.is_file():
                raise BackendError(
                    f"lerobot {self._type}: calibration file {file} is missing. "
                    f"{self._calibrate_line()}"
                )

    def _calibrate_line(self) -> str:
        port = getattr(self.config, "port", None)
        return (
            f"Run lerobot-calibrate --robot.type={self._type} --robot.id={self.config.id}"
            f"{f' --robot.port={port}' if port else ''}"
        )

    def _connected(self, verb: str) -> Robot:
        if self._robot is None:
            raise BackendError(f"lerobot {self._type}: {verb} before connect")
        return self._robot

    def _failed(self, verb: str, error: Exception) -> BackendError:
        text = " ".join(str(error).split()) or error.__class__.__name__
        return BackendError(f"lerobot {self._type}: {verb}: {text}")
