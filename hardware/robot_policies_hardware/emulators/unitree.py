"""A Unitree Go1 or Go2 at low level, on a UDP port of this machine.

It refuses commands of a wrong length, checksum or level, moves twelve motors by the servo law and
answers with states. `unitree_sdks` holds stand-ins for the two SDKs, neither of which is on PyPI:
with that folder on PYTHONPATH the driver finds them in place of the real ones.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from robot_policies_hardware.emulators.unitree_messages import (
    CHECK,
    GO1_COMMAND,
    GO1_STATE,
    GO2_COMMAND,
    GO2_STATE,
    HEAD,
    HELLO,
    LARGEST,
    MODE,
    MOTORS,
    RELEASE,
    checksum,
)

SDKS = Path(__file__).with_name("unitree_sdks")
HOST = "127.0.0.1"
LYING = [0.0, 1.36, -2.65] * 4  # rad; hip, thigh and calf of each leg, as it lies on its belly
USED = 12  # motors
NO_POSITION = 2.146e9  # rad; a motor that tracks no position, as unitree_legged_sdk's PosStopF
LOW_LEVEL, START = 0xFF, (0xFE, 0xEF)
STATE_RATE = 500.0  # Hz
LONGEST = 0.01  # s; a pause of this process is no longer for the motors
SUBSTEPS = 4
INERTIA = 0.05  # kg m^2; of a leg
FRICTION = 0.2  # 1/s
EFFORT = 23.7  # N m; of hip and thigh (Unitree's data sheets)


class EmulatedUnitree:
    """The robot's side.

    Attributes:
        go1: Whether it is a Go1, whose messages are smaller and carry no checksum of ours.
        port: Where it listens.
        received: (time, motor commands of shape (12, 6): mode, q, dq, tau, kp, kd).
        refused: Why commands were refused.
        controller: Who has the motors; empty if nobody.
        q: Joint positions, hip, thigh and calf of FR, FL, RR, RL. Shape (12,). [rad]
        dq: Their velocities. Shape (12,). [rad/s]
        tau: Their torques. Shape (12,). [N m]
        added_torque: What is measured beyond that. Shape (12,). [N m]
        temperature: Of the motors. Shape (12,). [deg C]
        mode: What the motors say they do; `None`: as they were told.
        quaternion: Of the body, w x y z.
        remote: What its own remote control sends.
        silent: Whether it says nothing.
        stuck: Whether no motor moves.
    """

    def __init__(self, *, go1: bool = False, controller: str = "", port: int = 0) -> None:
        """Let it lie on its belly.

        Args:
            go1: Whether it is a Go1.
            controller: Its own controller that has the motors.
            port: Where it listens; 0: where there is room.
        """
        self.go1, self.controller = go1, controller
        self.received: list[tuple[float, np.ndarray]] = []
        self.refused: list[str] = []
        self.q, self.dq, self.tau = np.array(LYING), np.zeros(USED), np.zeros(USED)
        self.temperature, self.mode = np.full(USED, 30), None
        self.quaternion, self.remote = (1.0, 0.0, 0.0, 0.0), bytes(40)
        self.added_torque, self.silent, self.stuck = np.zeros(USED), False, False
        self._peer, self._command, self._tick = None, None, 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, port))
        self._socket.settimeout(0.0005)
        self.port = self._socket.getsockname()[1]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    @property
    def options(self) -> dict[str, str | int]:
        """Options of the backend that reach it."""
        if self.go1:
            return {"address": HOST, "port": self.port}
        return {"interface": f"{HOST}:{self.port}"}

    def close(self) -> None:
        """Switch it off."""
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> "EmulatedUnitree":
        """Be closed at the end of a block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Switch it off."""
        self.close()

    def last(self) -> np.ndarray:
        """Return the newest command. Shape (12, 6)."""
        return self.received[-1][1] if self.received else np.zeros((USED, 6))

    def _live(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            with suppress(TimeoutError):
                self._hear(*self._socket.recvfrom(LARGEST))
            now = time.monotonic()
            if now - due > 1.0 / STATE_RATE:
                self._move(min(now - due, LONGEST))
                due, self._tick = now, self._tick + 2
                if self._peer and not self.silent:
                    self._socket.sendto(self._state(), self._peer)

    def _hear(self, data: bytes, sender: tuple[str, int]) -> None:
        if data == HELLO:
            self._peer = sender
        elif data == CHECK:
            self._socket.sendto(MODE + self.controller.encode(), sender)
        elif data == RELEASE:
            self.controller = ""
        else:
            self._peer = sender if self.go1 else self._peer
            self._take(data)

    def _take(self, data: bytes) -> None:
        layout = GO1_COMMAND if self.go1 else GO2_COMMAND
        if len(data) != layout.size:
            self.refused.append(f"length {len(data)}")
            return
        values = layout.unpack(data)
        if not self.go1 and checksum(data[:-4]) != values[-1]:
            self.refused.append("checksum")
            return
        if values[2] != LOW_LEVEL or (not self.go1 and values[:2] != START):
            self.refused.append(f"head {values[:3]}")
            return
        motors = np.array(values[HEAD : HEAD + MOTORS * 9]).reshape(MOTORS, 9)[:, :6]
        absent = motors[USED:]
        if (absent[:, 1] != np.float32(NO_POSITION)).any() or absent[:, 3:].any():
            self.refused.append("motors that are not there are told to move")
            return
        self._command = motors[:USED]
        self.received.append((time.time(), self._command))

    def _move(self, dt: float) -> None:
        """Let time pass: J dw/dt = clip(kp (q* - q) + kd (w* - w) + tau*) - friction, no gravity.

        Args:
            dt: How much. [s]
        """
        self.tau = np.zeros(USED)
        if self._command is not None and not self.stuck:
            _, q, dq, tau, kp, kd = self._command.T
            part = dt / SUBSTEPS
            for _ in range(SUBSTEPS):
                torque = kp * (q - self.q) + kd * (dq - self.dq) + tau
                self.tau = np.clip(torque, -EFFORT, EFFORT)
                self.dq = (self.dq + self.tau / INERTIA * part) / (1.0 + FRICTION * dt)
                self.q = self.q + self.dq * part
        self.tau = self.tau + self.added_torque

    def _state(self) -> bytes:
        motors: list[float] = []
        served = self._command[:, 0] if self._command is not None else np.zeros(USED)
        modes = served if self.mode is None else self.mode
        for i in range(MOTORS):
            if i >= USED:
                motors += [0] * (11 if self.go1 else 12)
                continue
            motors += [int(modes[i]), self.q[i], self.dq[i], 0.0, self.tau[i], 0.0, 0.0, 0.0]
            motors += [int(self.temperature[i])] + [0] * (2 if self.go1 else 3)
        imu = [*self.quaternion, 0.0, 0.0, 0.0, 0.0, 0.0, 9.81, 0.0, 0.0, 0.0, 40]
        head = [*START, LOW_LEVEL, 0] + [0] * 5
        cells = 10 if self.go1 else 15
        body = [*head, *imu, *motors, *[0] * (10 + cells), *[0] * 8, self._tick, *self.remote]
        if self.go1:
            return GO1_STATE.pack(*body, 0, 0)
        data = GO2_STATE.pack(*body, 0, 0.0, 0, 0, 0.0, 0.0, 0, 0, 0, 0, 0, 0)
        return data[:-4] + struct.pack("<I", checksum(data[:-4]))
