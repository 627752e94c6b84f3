"""Unitree's unitree_sdk2py (Go2), as far as a driver needs it, with an emulated robot behind it.

The real SDK finds its robot by DDS on a network interface; here the interface is `HOST:PORT`.
"""

import socket
import struct
import sys
from threading import Thread
from types import ModuleType, SimpleNamespace
from typing import Any

from robot_policies_hardware.emulators.unitree_messages import (
    CHECK,
    GO2_COMMAND,
    GO2_STATE,
    HEAD,
    HELLO,
    IMU,
    LARGEST,
    MODE,
    MOTORS,
    RELEASE,
    checksum,
    inertial_unit,
    motor_commands,
    motor_states,
)

STATE = MOTORS * 12  # numbers of the motors' states
AFTER = HEAD + IMU + STATE + 25 + 8  # numbers before the tick
COMMANDS, STATES = "rt/lowcmd", "rt/lowstate"
TIMED_OUT = 3104  # the SDK's code of a request that nobody answers
WAIT = 0.1  # s

_robot: tuple[str, int] = ("127.0.0.1", 0)


def _initialize(domain: int, interface: str | None) -> None:
    global _robot  # the real one is set for the whole process, too
    host, _, port = (interface or "").rpartition(":")
    if not port.isdecimal():
        raise ValueError(f"interface is '{interface}', an emulated Go2's is HOST:PORT")
    _robot = host, int(port)


class _Line:
    """A socket to the robot."""

    def __init__(self, timeout: float) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((_robot[0], 0))
        self.socket.settimeout(timeout)

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, _robot)

    def __del__(self) -> None:
        self.socket.close()


def _pack(command: SimpleNamespace) -> bytes:
    c, motors = command, []
    for m in c.motor_cmd:
        motors += [m.mode, m.q, m.dq, m.tau, m.kp, m.kd, *m.reserve]
    head = [*c.head, c.level_flag, c.frame_reserve, *c.sn, *c.version, c.bandwidth]
    tail = [*c.wireless_remote, *c.led, *c.fan, c.gpio, c.reserve, c.crc]
    return GO2_COMMAND.pack(*head, *motors, 0, 0, 0, 0, *tail)


def _command() -> SimpleNamespace:
    return SimpleNamespace(
        head=[0, 0], level_flag=0, frame_reserve=0, sn=[0, 0], version=[0, 0], bandwidth=0,
        motor_cmd=motor_commands("kp", "kd"), wireless_remote=[0] * 40, led=[0] * 12,
        fan=[0, 0], gpio=0, reserve=0, crc=0,
    )  # fmt: skip


class _Crc:
    def Crc(self, message: SimpleNamespace) -> int:  # noqa: N802, the SDK's name
        return checksum(_pack(message)[:-4])


class _Publisher:
    def __init__(self, name: str, kind: str) -> None:
        if (name, kind) != (COMMANDS, "LowCmd_"):
            raise ValueError(f"an emulated Go2 does not hear {kind} on {name}")

    def Init(self) -> None:  # noqa: N802
        self._line = _Line(WAIT)

    def Write(self, message: SimpleNamespace) -> bool:  # noqa: N802
        self._line.send(_pack(message))
        return True

    def Close(self) -> None:  # noqa: N802
        self._line.socket.close()


class _Subscriber:
    def __init__(self, name: str, kind: str) -> None:
        if (name, kind) != (STATES, "LowState_"):
            raise ValueError(f"an emulated Go2 does not say {kind} on {name}")

    def Init(self, handler: Any, depth: int) -> None:  # noqa: N802
        self._handler, self._line, self._ending = handler, _Line(WAIT), False
        self._line.send(HELLO)
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    def Close(self) -> None:  # noqa: N802
        self._ending = True
        self._thread.join()
        self._line.socket.close()

    def _listen(self) -> None:
        while not self._ending:
            try:
                data = self._line.socket.recv(LARGEST)
            except TimeoutError:
                continue
            if checksum(data[:-4]) == struct.unpack("<I", data[-4:])[0]:
                self._handler(_state(GO2_STATE.unpack(data)))


def _state(v: tuple[Any, ...]) -> SimpleNamespace:
    motors = HEAD + IMU
    return SimpleNamespace(
        imu_state=inertial_unit(v[HEAD:motors]),
        motor_state=motor_states(v[motors : motors + STATE], "tau_est"),
        tick=v[AFTER],
        wireless_remote=list(v[AFTER + 1 : AFTER + 41]),
    )


class _Switcher:
    def SetTimeout(self, seconds: float) -> None:  # noqa: N802
        self._timeout = seconds

    def Init(self) -> None:  # noqa: N802
        self._line = _Line(self._timeout)

    def CheckMode(self) -> tuple[int, dict[str, str] | None]:  # noqa: N802
        self._line.send(CHECK)
        try:
            name = self._line.socket.recv(LARGEST).removeprefix(MODE).decode()
        except TimeoutError:
            return TIMED_OUT, None
        return 0, {"form": "0", "name": name}

    def ReleaseMode(self) -> tuple[int, None]:  # noqa: N802
        self._line.send(RELEASE)
        return 0, None


# One file stands for the package: its modules are made here, with all packages between them.
_MODULES: dict[str, dict[str, Any]] = {
    "core.channel": {
        "ChannelFactoryInitialize": _initialize,
        "ChannelPublisher": _Publisher,
        "ChannelSubscriber": _Subscriber,
    },
    "idl.default": {"unitree_go_msg_dds__LowCmd_": _command},
    "idl.unitree_go.msg.dds_": {"LowCmd_": "LowCmd_", "LowState_": "LowState_"},
    "utils.crc": {"CRC": _Crc},
    "comm.motion_switcher.motion_switcher_client": {"MotionSwitcherClient": _Switcher},
}
__path__: list[str] = []
for _name, _contents in _MODULES.items():
    _parts = _name.split(".")
    for _end in range(1, len(_parts) + 1):
        _full = ".".join((__name__, *_parts[:_end]))
        sys.modules.setdefault(_full, ModuleType(_full))
    vars(sys.modules[f"{__name__}.{_name}"]).update(_contents)
