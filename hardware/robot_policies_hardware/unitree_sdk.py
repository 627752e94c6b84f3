"""Unitree's two SDKs behind the same verbs: unitree_sdk2py (Go2) and robot_interface (Go1).

They are imported when a robot is opened and nowhere else; neither is on PyPI. Arrays are in the
order of the motors, FR FL RR RL with hip, thigh, calf each.

Sources: unitreerobotics/unitree_sdk2_python (example/go2/low_level, idl/unitree_go, utils/crc) and
unitreerobotics/unitree_legged_sdk, branch go1 (comm.h, udp.h, joystick.h, python_wrapper).
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from robot_policies.interface import BackendError

MOTORS = tuple(
    f"{leg}_{part}_joint" for leg in ("FR", "FL", "RR", "RL") for part in ("hip", "thigh", "calf")
)
LOW_LEVEL = 0xFF
NO_POSITION = 2.146e9  # rad; PosStopF, the motor tracks no position
NO_VELOCITY = 16000.0  # rad/s; VelStopF, likewise
QUEUED = 64  # messages of a Go1 taken at once: 0.1 s, and a pause of 1 s is over in ten steps
HEAD = (0xFE, 0xEF)  # of a Go2's commands


@dataclass(frozen=True, eq=False)
class Reading:
    """One message of the robot.

    Attributes:
        stamp: Arrival. [s]
        position: Shape (12,). [rad]
        velocity: Shape (12,). [rad/s]
        effort: Estimated by the motors. Shape (12,). [N m]
        temperature: Shape (12,). [deg C]
        modes: What each motor says it does. Shape (12,).
        imu: Orientation x, y, z, w, angular velocity, acceleration. Shape (10,).
        remote: What the robot's own remote control sends.
    """

    stamp: float
    position: np.ndarray
    velocity: np.ndarray
    effort: np.ndarray
    temperature: np.ndarray
    modes: np.ndarray
    imu: np.ndarray
    remote: bytes


class UnitreeSdk(Protocol):
    """What the driver needs of an SDK.

    Attributes:
        module: What is imported.
        how: What to do if it is missing.
        servo: Mode of a motor that tracks.
        speaks_first: Whether the robot answers commands only.
        network: Where the robot is looked for, for people.
    """

    module: str
    how: str
    servo: int
    speaks_first: bool
    network: str

    def open(self, clock: Callable[[], float]) -> None:
        """Listen to the robot; `clock` gives the stamps. [s]."""
        ...

    def newest(self) -> Reading | None:
        """Return the newest message; the same object until there is another."""
        ...

    def controller(self) -> str:
        """Return the name of the robot's own controller that has the motors; empty if none."""
        ...

    def release(self) -> None:
        """Have the robot's own controller let go of the motors."""
        ...

    def send(self, target: np.ndarray, stiffness: np.ndarray, damping: np.ndarray) -> None:
        """Send one command to the twelve motors."""
        ...

    def close(self) -> None:
        """Release the network."""
        ...


class Go2Sdk:
    """DDS topics `rt/lowcmd` and `rt/lowstate`."""

    module = "unitree_sdk2py"
    how = (
        "install Unitree's SDK: https://github.com/unitreerobotics/unitree_sdk2_python, as its "
        "README says; it needs cyclonedds 0.10, built from source for Python 3.12"
    )
    servo = 0x01
    speaks_first = False

    def __init__(self, interface: str = "", domain: int = 0) -> None:
        """Take the network.

        Args:
            interface: Network interface the robot is on, such as `eth0`; empty leaves it to DDS.
            domain: DDS domain.
        """
        self._interface, self._domain = interface, domain
        self.network = f"interface {interface or 'chosen by DDS'}, domain {domain}"
        self._reading: Reading | None = None

    def open(self, clock: Callable[[], float]) -> None:
        """Listen to `rt/lowstate`."""
        channel = load(self, "core.channel")
        messages, default = load(self, "idl.unitree_go.msg.dds_"), load(self, "idl.default")
        self._crc = load(self, "utils.crc").CRC()
        switcher = load(self, "comm.motion_switcher.motion_switcher_client")
        self._clock, self._reading = clock, None
        channel.ChannelFactoryInitialize(self._domain, self._interface or None)
        self._command = default.unitree_go_msg_dds__LowCmd_()
        self._command.head[:] = HEAD
        self._command.level_flag = LOW_LEVEL
        for motor in self._command.motor_cmd:
            _release(motor, self.servo)
        self._publisher = channel.ChannelPublisher("rt/lowcmd", messages.LowCmd_)
        self._publisher.Init()
        self._subscriber = channel.ChannelSubscriber("rt/lowstate", messages.LowState_)
        self._subscriber.Init(self._on_state, 10)
        self._switcher = switcher.MotionSwitcherClient()
        self._switcher.SetTimeout(5.0)
        self._switcher.Init()

    def newest(self) -> Reading | None:
        """Return the newest message."""
        return self._reading

    def controller(self) -> str:
        """Ask the motion switcher who has the motors."""
        code, answer = self._switcher.CheckMode()
        if code != 0 or answer is None:
            raise BackendError(f"unitree: the motion switcher does not answer (code {code})")
        return answer["name"]

    def release(self) -> None:
        """Ask the motion switcher to release the motors; it takes a moment."""
        self._switcher.ReleaseMode()

    def send(self, target: np.ndarray, stiffness: np.ndarray, damping: np.ndarray) -> None:
        """Publish one command; its checksum covers all the rest, so it comes last."""
        rows = zip(target.tolist(), stiffness.tolist(), damping.tolist(), strict=True)
        for motor, (q, kp, kd) in zip(self._command.motor_cmd, rows, strict=False):
            motor.q, motor.dq, motor.kp, motor.kd = q, 0.0, kp, kd
        self._command.crc = self._crc.Crc(self._command)
        self._publisher.Write(self._command)

    def close(self) -> None:
        """Close the topics."""
        self._subscriber.Close()
        self._publisher.Close()

    def _on_state(self, message: Any) -> None:
        imu = message.imu_state
        self._reading = _reading(
            self._clock(), message.motor_state, "tau_est", imu, bytes(message.wireless_remote)
        )


class Go1Sdk:
    """UDP to the motor controller; the SDK packs, checks and unpacks."""

    module = "robot_interface"
    how = (
        "build https://github.com/unitreerobotics/unitree_legged_sdk, branch go1, for this Python "
        "with cmake -DPYTHON_BUILD=TRUE and put the folder of robot_interface*.so on PYTHONPATH"
    )
    servo = 0x0A
    speaks_first = True

    def __init__(
        self, address: str = "192.168.123.10", port: int = 8007, local_port: int = 8080
    ) -> None:
        """Take the network.

        Args:
            address: The motor controller's.
            port: Its port.
            local_port: Ours.
        """
        self._address, self._port, self._local_port = address, port, local_port
        self.network = f"{address}:{port}, from port {local_port}"
        self._reading: Reading | None = None

    def open(self, clock: Callable[[], float]) -> None:
        """Open the socket."""
        sdk = load(self)
        self._clock, self._reading, self._tick = clock, None, -1
        self._udp = sdk.UDP(LOW_LEVEL, self._local_port, self._address, self._port)
        self._command, self._state = sdk.LowCmd(), sdk.LowState()
        self._udp.InitCmdData(self._command)
        # The binding gives references or copies, by its pybind; handed back whole, both work.
        self._motors = self._command.motorCmd
        for motor in self._motors:
            _release(motor, self.servo)

    def newest(self) -> Reading | None:
        """Take what has come; the same tick is the same message.

        The SDK may take one message at a time. What queued while nobody looked is not new.
        """
        before = self._tick
        for _ in range(QUEUED):
            self._udp.Recv()
            self._udp.GetRecv(self._state)
            if self._state.tick == self._tick:
                break
            self._tick = self._state.tick
        if self._tick != before:
            remote = bytes(self._state.wirelessRemote)
            motors, imu = self._state.motorState, self._state.imu
            self._reading = _reading(self._clock(), motors, "tauEst", imu, remote)
        return self._reading

    def controller(self) -> str:
        """Return nothing: a Go1 is put in low level by its remote and cannot be asked."""
        return ""

    def release(self) -> None:
        """Do nothing: see `controller`."""

    def send(self, target: np.ndarray, stiffness: np.ndarray, damping: np.ndarray) -> None:
        """Send one command."""
        rows = zip(target.tolist(), stiffness.tolist(), damping.tolist(), strict=True)
        for motor, (q, kp, kd) in zip(self._motors, rows, strict=False):
            motor.q, motor.dq, motor.Kp, motor.Kd = q, 0.0, kp, kd
        self._command.motorCmd = self._motors
        self._udp.SetSend(self._command)
        self._udp.Send()

    def close(self) -> None:
        """Let go of the socket, which the SDK closes with its object."""
        del self._udp


def load(sdk: UnitreeSdk, part: str = "") -> Any:
    """Import a module of an SDK.

    Raises:
        BackendError: Saying what is missing and how to get it.
    """
    name = f"{sdk.module}.{part}" if part else sdk.module
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # OSError: a shared library of it
        reason = " ".join(str(error).split())
        raise BackendError(f"unitree: cannot import {name} ({reason}); {sdk.how}") from None


def _release(motor: Any, mode: int) -> None:
    motor.mode, motor.q, motor.dq, motor.tau = mode, NO_POSITION, NO_VELOCITY, 0.0
    for gain in ("kp", "kd") if hasattr(motor, "kp") else ("Kp", "Kd"):
        setattr(motor, gain, 0.0)


def _reading(stamp: float, motors: Any, effort: str, imu: Any, remote: bytes) -> Reading:
    used = motors[: len(MOTORS)]
    w, x, y, z = imu.quaternion
    return Reading(
        stamp=stamp,
        position=np.array([motor.q for motor in used]),
        velocity=np.array([motor.dq for motor in used]),
        effort=np.array([getattr(motor, effort) for motor in used]),
        temperature=np.array([motor.temperature for motor in used], float),
        modes=np.array([motor.mode for motor in used]),
        imu=np.array([x, y, z, w, *imu.gyroscope, *imu.accelerometer], np.float32),
        remote=remote,
    )


SDKS: dict[str, type[Go1Sdk] | type[Go2Sdk]] = {"go1": Go1Sdk, "go2": Go2Sdk}
