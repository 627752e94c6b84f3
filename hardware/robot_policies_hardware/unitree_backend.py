"""Unitree Go1 and Go2, joint by joint: low-level commands from a thread of their own.

Slow commands do not move these robots smoothly (unitree_legged_sdk issue 94), and a policy is slow
and sometimes late. So a thread sends 200 to 500 commands a second, whatever the rest does. It asks
its supervisor what to send: the modes of a legged robot, which `config/backends/unitree.yaml` puts
there. Without one the last command is repeated until it is old, then the joints are damped.

Nothing here can help a process that is killed outright: the robot then hears nothing more.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import numpy as np

from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    CommandMode,
    ConfigError,
    RobotSpec,
    RobotState,
    Supervisor,
    UnknownNameError,
    check_command,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import IMU, STATE
from robot_policies_hardware.unitree_sdk import MOTORS, NO_POSITION, SDKS, Reading

RATES = (200.0, 500.0)  # Hz; smooth above 200 (issue 94), and the SDK's own examples run at 500
OVERHEATED = 0x08  # motor mode (comm.h)
FOLDED = -2.3  # rad; calf of a robot that lies; it stands at -1.3 to -1.8
PARTING = 0.1  # s; how long the joints are still told to damp when the driver is closed
RELEASE = 5.0  # s; longest wait for the robot's own controller to let go
# Bits of the remote's third and fourth byte (joystick.h).
SELECT, L2, B = 1 << 3, 1 << 5, 1 << 9


class UnitreeBackend:
    """A `ServoBackend` for the robots in `SDKS`."""

    accepts = frozenset({ActionKind.JOINT_POSITION})
    measures_effort = True

    def __init__(
        self,
        spec: RobotSpec,
        scene: Mapping[str, Any] | None = None,
        *,
        rate: float = 500.0,
        timeout: float = 0.1,
        connect_timeout: float = 5.0,
        dry_run: bool = False,
        clock: Callable[[], float] = time.monotonic,
        **network: Any,
    ) -> None:
        """Read the configuration; nothing is imported or opened.

        Args:
            spec: The robot's table.
            scene: The task's world; a real one is as it is.
            rate: Commands per second. [Hz]
            timeout: Without a supervisor, an older command is no longer sent. [s]
            connect_timeout: Longest wait for the robot's first message. [s]
            dry_run: Read and compute, but send nothing.
            clock: Gives the stamps. [s]
            **network: Of the SDK: `interface`, `domain` (Go2), `address`, `port`,
                `local_port` (Go1).

        Raises:
            ConfigError: If the robot, a joint or the rate is none of Unitree's.
        """
        if spec.name not in SDKS:
            raise UnknownNameError("Unitree robot", spec.name, SDKS, "unitree.yaml")
        for name in spec.joint_names:
            if name not in MOTORS:
                raise ConfigError(f"unitree: no motor '{name}'.{suggestion(name, MOTORS)}")
        if not RATES[0] <= rate <= RATES[1] or len(spec.joints) != len(MOTORS):
            raise ConfigError(
                f"unitree.yaml: rate {rate} Hz must be in {list(RATES)}, joints {len(MOTORS)}"
            )
        self.spec = spec
        self.provides = {name: spec.streams[name] for name in (STATE, IMU)}
        self._order = [MOTORS.index(name) for name in spec.joint_names]  # joint -> motor
        self._motors = [spec.joint_names.index(name) for name in MOTORS]  # motor -> joint
        self._period, self._timeout, self._patience = 1.0 / rate, timeout, connect_timeout
        self._dry_run, self._clock = dry_run, clock
        self._sdk = SDKS[spec.name](**network)
        self._supervisor: Supervisor | None = None
        self._thread: Thread | None = None

    def supervise(self, supervisor: Supervisor | None) -> None:
        """Let a supervisor decide at every step of the stream what is sent."""
        self._supervisor = supervisor

    def connect(self) -> None:
        """Wait for the robot's first message, then keep its joints damped.

        Raises:
            BackendError: If the SDK is missing, the robot is silent, or it stands under its own
                controller, which letting go would make fall.
        """
        self.close()
        self._command: tuple[Command, float] | None = None
        self._reading: Reading | None = None
        self._state: RobotState | None = None
        self._served = np.zeros(len(MOTORS), bool)
        self._fault, self._parting, self._ending = "", False, Event()
        self._sdk.open(self._clock)
        self._mute = self._dry_run or not self._sdk.speaks_first
        self._thread = Thread(target=self._stream, name="unitree", daemon=True)
        self._thread.start()
        try:
            self._await_state()
            if not self._dry_run:
                self._take_over()
        except BackendError:
            self.close()
            raise
        self._mute = self._dry_run

    def read(self, pictures: bool = True) -> RobotState:
        """Return the newest measurement.

        Raises:
            BackendError: If the stream broke; the joints are damped then.
        """
        self._connected("read")
        assert self._state is not None
        return self._state

    def write(self, command: Command) -> Command:
        """Put a command in force; it goes out with the next one of the stream.

        Raises:
            BackendError: If it is none a joint may get, or the stream broke.
        """
        self._connected("write")
        check_command(command, self.spec, self.accepts, "unitree")
        self._command = command, self._clock()
        return command

    def stop(self, reason: str) -> None:
        """Damp the joints with the next command of the stream."""
        self._command = None

    def close(self) -> None:
        """Damp for a moment more, then say nothing."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._parting = True
        if not self._mute:
            thread.join(PARTING)
        self._ending.set()
        thread.join()
        self._sdk.close()

    def _stream(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            try:
                self._step()
            except Exception as error:  # whatever it is, the joints must not go on as before
                self._fault = self._fault or f"{type(error).__name__}: {error}"
                if not self._mute:
                    with suppress(Exception):
                        self._send(None)
            due = max(due + self._period, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def _step(self) -> None:
        reading = self._sdk.newest()
        if reading is not None and reading is not self._reading:
            self._reading, self._state = reading, self._to_state(reading)
        command = self._decide(self._clock())
        if not self._mute:
            self._send(command)

    def _decide(self, now: float) -> Command | None:
        """Return what to send; `None` damps."""
        if self._parting or self._fault or self._state is None:
            return None
        command, written = self._command or (None, -np.inf)
        if self._supervisor:
            return self._supervisor(command, self._state, now)
        return command if now - written <= self._timeout else None

    def _send(self, command: Command | None) -> None:
        mode = command.mode if command else CommandMode.DAMP
        gains = (command.gains if command else None) or self.spec.gains[mode]
        target = np.full(len(MOTORS), NO_POSITION)
        if command and mode is not CommandMode.DAMP:
            target = command.values[self._motors]
        self._sdk.send(target, gains.stiffness[self._motors], gains.damping[self._motors])

    def _to_state(self, reading: Reading) -> RobotState:
        rows = (reading.position, reading.velocity, reading.effort, reading.temperature)
        position, velocity, effort, temperature = (row[self._order] for row in rows)
        for array in (position, velocity, effort, temperature, reading.imu):
            array.setflags(write=False)  # everybody who reads now shares them
        return RobotState(
            stamp=reading.stamp,
            joint_position=position,
            joint_velocity=velocity,
            joint_effort=effort,
            joint_temperature=temperature,
            features={IMU: reading.imu},
            stamps={IMU: reading.stamp},
            fault=self._motor_fault(reading) or _remote_stop(reading.remote),
        )

    def _motor_fault(self, reading: Reading) -> str:
        serves = reading.modes == self._sdk.servo
        if not self._mute:
            self._served |= serves
        failed = (reading.modes == OVERHEATED) | (self._served & ~serves)
        if not failed.any():
            return ""
        i = int(np.argmax(failed))
        return f"motor {MOTORS[i]} protects itself: mode 0x{reading.modes[i]:02X}"

    def _await_state(self) -> None:
        end = time.monotonic() + self._patience
        while self._state is None:
            if self._fault:
                raise BackendError(f"unitree: {self._fault}")
            if time.monotonic() > end:
                raise BackendError(
                    f"unitree: no message of the {self.spec.name} within {self._patience:g} s; is "
                    f"it on, in low level, and this machine in its network? ({self._sdk.network})"
                )
            time.sleep(self._period)

    def _take_over(self) -> None:
        end, name = time.monotonic() + RELEASE, self._sdk.controller()
        if name and not self._lies():
            raise BackendError(
                f"unitree: the robot stands under its own controller '{name}' and would fall; let "
                "it lie down first (remote: L2+A)"
            )
        while name and time.monotonic() < end:
            self._sdk.release()
            time.sleep(0.1)
            name = self._sdk.controller()
        if name:
            raise BackendError(f"unitree: the robot's own controller '{name}' does not let go")

    def _lies(self) -> bool:
        assert self._state is not None
        calves = ["calf" in name for name in self.spec.joint_names]
        return bool((self._state.joint_position[calves] < FOLDED).all())

    def _connected(self, verb: str) -> None:
        if self._thread is None:
            raise BackendError(f"unitree: {verb} before connect")
        if self._fault:
            raise BackendError(f"unitree: {self._fault}")


def _remote_stop(remote: bytes) -> str:
    buttons = int.from_bytes(remote[2:4], "little")
    if buttons & SELECT or buttons & (L2 | B) == (L2 | B):
        return "a stop button of the remote is pressed (select, or L2+B)"
    return ""
