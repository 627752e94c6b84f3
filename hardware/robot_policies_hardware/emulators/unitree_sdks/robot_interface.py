"""Unitree's Python binding of unitree_legged_sdk (Go1), with an emulated robot behind it."""

import socket
from contextlib import suppress
from types import SimpleNamespace

from robot_policies_hardware.emulators.unitree_messages import (
    GO1_COMMAND,
    GO1_STATE,
    HEAD,
    IMU,
    LARGEST,
    MOTORS,
    inertial_unit,
    motor_commands,
    motor_states,
)

STATE = MOTORS * 11  # numbers of the motors' states
AFTER = HEAD + IMU + STATE + 20 + 8  # numbers before the tick


def LowCmd() -> SimpleNamespace:  # noqa: N802, the SDK's name
    """Return a command."""
    return SimpleNamespace(levelFlag=0, motorCmd=motor_commands("Kp", "Kd"))


def LowState() -> SimpleNamespace:  # noqa: N802
    """Return a state that nobody has sent."""
    states, unit = motor_states((0,) * STATE, "tauEst"), inertial_unit((0.0,) * IMU)
    return SimpleNamespace(tick=-1, motorState=states, imu=unit, wirelessRemote=[0] * 40)


class UDP:
    """The SDK's end of the wire."""

    def __init__(self, level: int, local_port: int, address: str, port: int) -> None:
        """Open a socket; where `local_port` is taken, another one does."""
        self._level, self._robot = level, (address, port)
        self._data = self._sent = b""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self._socket.setblocking(False)

    def __del__(self) -> None:
        """Close the socket, as the SDK does with its object."""
        self._socket.close()

    def InitCmdData(self, command: SimpleNamespace) -> None:  # noqa: N802
        """Set the level."""
        command.levelFlag = self._level

    def Recv(self) -> int:  # noqa: N802
        """Take one message, as the SDK's function of this name may do."""
        with suppress(BlockingIOError):
            self._data = self._socket.recv(LARGEST)
        return len(self._data)

    def GetRecv(self, state: SimpleNamespace) -> None:  # noqa: N802
        """Read the newest message."""
        if self._data:
            v = GO1_STATE.unpack(self._data)
            motors = HEAD + IMU
            state.imu = inertial_unit(v[HEAD:motors])
            state.motorState = motor_states(v[motors : motors + STATE], "tauEst")
            state.tick, state.wirelessRemote = v[AFTER], list(v[AFTER + 1 : AFTER + 41])

    def SetSend(self, c: SimpleNamespace) -> None:  # noqa: N802
        """Pack a command."""
        motors = []
        for m in c.motorCmd:
            motors += [m.mode, m.q, m.dq, m.tau, m.Kp, m.Kd, *m.reserve]
        head = (0, 0, c.levelFlag, 0, *[0] * 5)
        self._sent = GO1_COMMAND.pack(*head, *motors, *[0] * 4, *[0] * 40, 0, 0)

    def Send(self) -> int:  # noqa: N802
        """Send it."""
        self._socket.sendto(self._sent, self._robot)
        return len(self._sent)
