"""A Unitree robot on loopback, and stand-ins for the two SDKs that reach it.

`FakeRobot` is the robot's side: it checks every command's length and checksum, moves twelve motors
by the servo law and answers with states. `install` puts modules named `unitree_sdk2py` and
`robot_interface` in place that speak the messages of the real ones, with their field names and
layout, over UDP. Where the real SDKs are used instead, the driver does not change.

Layouts: unitree_sdk2_python utils/crc.py (Go2), unitree_legged_sdk comm.h (Go1). How the Go1's SDK
packs its messages is not published; here they travel as the structures of comm.h.
"""

import socket
import struct
import sys
import threading
import time
import zlib
from contextlib import suppress
from types import ModuleType, SimpleNamespace

import numpy as np

GO2_COMMAND = struct.Struct("<4B4IH2x" + "B3x5f3I" * 20 + "4B" + "55Bx2I")
GO2_STATE = struct.Struct(
    "<4B4IH2x" + "13fb3x" + "B3x7fb3x3I" * 20 + "4BiH4b15H" + "8hI41B3xf2b2x2f4h2I"
)
GO1_COMMAND = struct.Struct("<4B4IH" + "B5f3I" * 20 + "4B" + "40B2I")
GO1_STATE = struct.Struct("<4B4IH" + "13fb" + "B7fb2I" * 20 + "4BiH4b10H" + "8hI40B2I")
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
LYING = [0.0, 1.36, -2.65] * 4
STATE_RATE = 500.0  # Hz


def checksum(data: bytes) -> int:
    """Return Unitree's CRC-32: polynomial 0x04C11DB7, highest bit first, no final xor."""
    words = np.frombuffer(data, "<u4").astype(">u4").tobytes()
    reflected = zlib.crc32(words.translate(REVERSED)) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class FakeRobot:
    """The robot's side: a Go2, or a Go1 whose messages are smaller and carry no checksum of ours.

    Attributes:
        received: (time, motor commands of shape (12, 6): mode, q, dq, tau, kp, kd).
        refused: Commands of a wrong length, checksum or level.
        controller: Who has the motors; empty if nobody.
    """

    def __init__(self, go1: bool = False, controller: str = "") -> None:
        self.go1, self.controller, self.port = go1, controller, free_port()
        self.received: list[tuple[float, np.ndarray]] = []
        self.refused: list[str] = []
        self.q, self.dq, self.tau = np.array(LYING), np.zeros(12), np.zeros(12)
        self.temperature, self.mode = np.full(12, 30), None
        self.quaternion, self.remote = (1.0, 0.0, 0.0, 0.0), bytes(40)
        self.added_torque, self.silent, self.stuck = np.zeros(12), False, False
        self._peer, self._command, self._tick = None, None, 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        self._socket.settimeout(0.0005)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> "FakeRobot":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def last(self) -> np.ndarray:
        return self.received[-1][1] if self.received else np.zeros((12, 6))

    def _live(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            try:
                data, sender = self._socket.recvfrom(4096)
                self._hear(data, sender)
            except TimeoutError:
                pass
            now = time.monotonic()
            if now - due > 1.0 / STATE_RATE:
                self._move(min(now - due, 0.01))
                due, self._tick = now, self._tick + 2
                if self._peer and not self.silent:
                    self._socket.sendto(self._state(), self._peer)

    def _hear(self, data: bytes, sender: tuple) -> None:
        if data == b"hello":
            self._peer = sender
        elif data == b"check":
            self._socket.sendto(b"mode" + self.controller.encode(), sender)
        elif data == b"release":
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
        if values[2] != 0xFF or (not self.go1 and values[:2] != (0xFE, 0xEF)):
            self.refused.append(f"head {values[:3]}")
            return
        motors = np.array(values[9 : 9 + 20 * 9]).reshape(20, 9)[:, :6]
        # q and dq that mean "none", and no gains, for the eight motors that are not there.
        assert (motors[12:, 1] == 2.146e9).all()
        assert (motors[12:, 3:] == 0.0).all()
        self._command = motors[:12]
        self.received.append((time.time(), self._command))

    def _move(self, dt: float) -> None:
        """Servo law on twelve pendulums without gravity; inertia of a leg, effort limit."""
        self.tau = np.zeros(12)
        if self._command is not None and not self.stuck:
            _, q, dq, tau, kp, kd = self._command.T
            steps = 4
            for _ in range(steps):
                self.tau = np.clip(kp * (q - self.q) + kd * (dq - self.dq) + tau, -23.7, 23.7)
                self.dq = (self.dq + self.tau / 0.05 * dt / steps) / (1.0 + 0.2 * dt)
                self.q = self.q + self.dq * dt / steps
        self.tau = self.tau + self.added_torque

    def _state(self) -> bytes:
        motors: list[float] = []
        served = self._command[:, 0] if self._command is not None else np.zeros(12)
        modes = served if self.mode is None else self.mode
        for i in range(20):
            if i >= 12:
                motors += [0] * (11 if self.go1 else 12)
                continue
            motors += [int(modes[i]), self.q[i], self.dq[i], 0.0, self.tau[i], 0.0, 0.0, 0.0]
            motors += [int(self.temperature[i])] + [0] * (2 if self.go1 else 3)
        imu = [*self.quaternion, 0.0, 0.0, 0.0, 0.0, 0.0, 9.81, 0.0, 0.0, 0.0, 40]
        head = [0xFE, 0xEF, 0xFF, 0] + [0] * 5
        cells = 10 if self.go1 else 15
        body = [*head, *imu, *motors, *[0] * (10 + cells), *[0] * 8, self._tick, *self.remote]
        if self.go1:
            return GO1_STATE.pack(*body, 0, 0)
        data = GO2_STATE.pack(*body, 0, 0.0, 0, 0, 0.0, 0.0, 0, 0, 0, 0, 0, 0)
        return data[:-4] + struct.pack("<I", checksum(data[:-4]))


class _Line:
    """The SDK's end of the wire."""

    def __init__(self, port: int) -> None:
        self._robot = ("127.0.0.1", port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self._robot)

    def __del__(self) -> None:
        self.socket.close()


def _motor_commands(lower_case: bool) -> list[SimpleNamespace]:
    kp, kd = ("kp", "kd") if lower_case else ("Kp", "Kd")
    row = {"mode": 0, "q": 0.0, "dq": 0.0, "tau": 0.0, kp: 0.0, kd: 0.0, "reserve": [0, 0, 0]}
    return [SimpleNamespace(**{**row, "reserve": [0, 0, 0]}) for _ in range(20)]


def _motor_states(values: tuple, effort: str, width: int) -> list[SimpleNamespace]:
    rows = [values[i * width : (i + 1) * width] for i in range(20)]
    return [
        SimpleNamespace(mode=r[0], q=r[1], dq=r[2], temperature=r[8], **{effort: r[4]})
        for r in rows
    ]


def _imu(values: tuple) -> SimpleNamespace:
    return SimpleNamespace(
        quaternion=values[:4], gyroscope=values[4:7], accelerometer=values[7:10]
    )


def _pack_go2(command: SimpleNamespace) -> bytes:
    c, motors = command, []
    for m in c.motor_cmd:
        motors += [m.mode, m.q, m.dq, m.tau, m.kp, m.kd, *m.reserve]
    head = [*c.head, c.level_flag, c.frame_reserve, *c.sn, *c.version, c.bandwidth]
    tail = [*c.wireless_remote, *c.led, *c.fan, c.gpio, c.reserve, c.crc]
    return GO2_COMMAND.pack(*head, *motors, 0, 0, 0, 0, *tail)


def _go2_command() -> SimpleNamespace:
    return SimpleNamespace(
        head=[0, 0], level_flag=0, frame_reserve=0, sn=[0, 0], version=[0, 0], bandwidth=0,
        motor_cmd=_motor_commands(True), wireless_remote=[0] * 40, led=[0] * 12, fan=[0, 0],
        gpio=0, reserve=0, crc=0,
    )  # fmt: skip


class _Crc:
    def Crc(self, message: SimpleNamespace) -> int:  # noqa: N802, the SDK's name
        return checksum(_pack_go2(message)[:-4])


class _Publisher:
    def __init__(self, name: str, kind: object) -> None:
        assert name == "rt/lowcmd"
        assert kind == "LowCmd_"

    def Init(self) -> None:  # noqa: N802
        self._line = _Line(PORT["go2"])

    def Write(self, message: SimpleNamespace) -> bool:  # noqa: N802
        self._line.send(_pack_go2(message))
        return True

    def Close(self) -> None:  # noqa: N802
        self._line.socket.close()


class _Subscriber:
    def __init__(self, name: str, kind: object) -> None:
        assert name == "rt/lowstate"
        assert kind == "LowState_"

    def Init(self, handler: object, depth: int) -> None:  # noqa: N802
        self._handler, self._line = handler, _Line(PORT["go2"])
        self._line.socket.settimeout(0.1)
        self._line.send(b"hello")
        self._ending = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def Close(self) -> None:  # noqa: N802
        self._ending = True
        self._thread.join()
        self._line.socket.close()

    def _listen(self) -> None:
        while not self._ending:
            try:
                data = self._line.socket.recv(4096)
            except TimeoutError:
                continue
            assert checksum(data[:-4]) == struct.unpack("<I", data[-4:])[0]
            v = GO2_STATE.unpack(data)
            after = 9 + 14 + 20 * 12 + 25 + 8
            self._handler(
                SimpleNamespace(
                    imu_state=_imu(v[9:23]),
                    motor_state=_motor_states(v[23:263], "tau_est", 12),
                    tick=v[after],
                    wireless_remote=list(v[after + 1 : after + 41]),
                )
            )


class _Switcher:
    def SetTimeout(self, seconds: float) -> None:  # noqa: N802
        self._timeout = seconds

    def Init(self) -> None:  # noqa: N802
        self._line = _Line(PORT["go2"])
        self._line.socket.settimeout(self._timeout)

    def CheckMode(self) -> tuple:  # noqa: N802
        self._line.send(b"check")
        try:
            name = self._line.socket.recv(4096).removeprefix(b"mode").decode()
        except TimeoutError:
            return 3104, None
        return 0, {"form": "0", "name": name}

    def ReleaseMode(self) -> tuple:  # noqa: N802
        self._line.send(b"release")
        return 0, None


class _Udp:
    def __init__(self, level: int, local_port: int, address: str, port: int) -> None:
        assert (level, address) == (0xFF, "127.0.0.1")
        self._line, self._data, self._sent = _Line(port), b"", b""
        self._line.socket.setblocking(False)

    def InitCmdData(self, command: SimpleNamespace) -> None:  # noqa: N802
        command.levelFlag = 0xFF

    def Recv(self) -> int:  # noqa: N802
        """Take one message, as the SDK's function of this name may do."""
        with suppress(BlockingIOError):
            self._data = self._line.socket.recv(4096)
        return len(self._data)

    def GetRecv(self, state: SimpleNamespace) -> None:  # noqa: N802
        if self._data:
            v, after = GO1_STATE.unpack(self._data), 9 + 14 + 20 * 11 + 20 + 8
            state.imu, state.motorState = _imu(v[9:23]), _motor_states(v[23:243], "tauEst", 11)
            state.tick, state.wirelessRemote = v[after], list(v[after + 1 : after + 41])

    def SetSend(self, c: SimpleNamespace) -> None:  # noqa: N802
        motors = []
        for m in c.motorCmd:
            motors += [m.mode, m.q, m.dq, m.tau, m.Kp, m.Kd, *m.reserve]
        self._sent = GO1_COMMAND.pack(
            0, 0, c.levelFlag, 0, *[0] * 5, *motors, *[0] * 4, *[0] * 40, 0, 0
        )

    def Send(self) -> int:  # noqa: N802
        self._line.send(self._sent)
        return len(self._sent)


def _go1_state() -> SimpleNamespace:
    motors = _motor_states((0,) * 220, "tauEst", 11)
    imu = _imu((0.0,) * 14)
    return SimpleNamespace(tick=-1, motorState=motors, imu=imu, wirelessRemote=[0] * 40)


PORT: dict[str, int] = {}  # the SDK finds a Go2 by discovery; here it is told
STAND_INS = {
    "unitree_sdk2py": {},
    "unitree_sdk2py.core": {},
    "unitree_sdk2py.core.channel": {
        "ChannelFactoryInitialize": lambda domain, interface: None,
        "ChannelPublisher": _Publisher,
        "ChannelSubscriber": _Subscriber,
    },
    "unitree_sdk2py.idl": {},
    "unitree_sdk2py.idl.default": {"unitree_go_msg_dds__LowCmd_": _go2_command},
    "unitree_sdk2py.idl.unitree_go": {},
    "unitree_sdk2py.idl.unitree_go.msg": {},
    "unitree_sdk2py.idl.unitree_go.msg.dds_": {"LowCmd_": "LowCmd_", "LowState_": "LowState_"},
    "unitree_sdk2py.utils": {},
    "unitree_sdk2py.utils.crc": {"CRC": _Crc},
    "unitree_sdk2py.comm": {},
    "unitree_sdk2py.comm.motion_switcher": {},
    "unitree_sdk2py.comm.motion_switcher.motion_switcher_client": {
        "MotionSwitcherClient": _Switcher
    },
    "robot_interface": {
        "UDP": _Udp,
        "LowCmd": lambda: SimpleNamespace(levelFlag=0, motorCmd=_motor_commands(False)),
        "LowState": _go1_state,
    },
}


def install(port: int, modules: dict = sys.modules) -> None:
    """Put the stand-ins in place of both SDKs, for a robot at a port of this machine."""
    PORT["go2"] = port
    for name, contents in STAND_INS.items():
        module = ModuleType(name)
        vars(module).update(contents)
        modules[name] = module
