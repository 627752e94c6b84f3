"""What a Unitree Go1 and Go2 hear and say at low level: layouts and checksum.

Sources: unitree_sdk2_python, utils/crc.py (Go2); unitree_legged_sdk, branch go1, comm.h (Go1). How
the Go1's SDK packs its messages is not published; here they travel as the structures of comm.h.
"""

import struct
import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np

GO2_COMMAND = struct.Struct("<4B4IH2x" + "B3x5f3I" * 20 + "4B" + "55Bx2I")
GO2_STATE = struct.Struct(
    "<4B4IH2x" + "13fb3x" + "B3x7fb3x3I" * 20 + "4BiH4b15H" + "8hI41B3xf2b2x2f4h2I"
)
GO1_COMMAND = struct.Struct("<4B4IH" + "B5f3I" * 20 + "4B" + "40B2I")
GO1_STATE = struct.Struct("<4B4IH" + "13fb" + "B7fb2I" * 20 + "4BiH4b10H" + "8hI40B2I")
HEAD, IMU, MOTORS = 9, 14, 20  # numbers before the inertial unit, of it, and motors
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
# Beside the low-level messages, between the emulated robot and the stand-ins of its SDKs.
HELLO, CHECK, MODE, RELEASE = b"hello", b"check", b"mode", b"release"
LARGEST = 4096  # bytes


def checksum(data: bytes) -> int:
    """Return Unitree's CRC-32: polynomial 0x04C11DB7, highest bit first, no final xor."""
    words = np.frombuffer(data, "<u4").astype(">u4").tobytes()
    reflected = zlib.crc32(words.translate(REVERSED)) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def motor_commands(kp: str, kd: str) -> list[SimpleNamespace]:
    """Return twenty commands with the fields of an SDK's message.

    Args:
        kp: Its name of the stiffness.
        kd: Its name of the damping.
    """
    zeros = {"mode": 0, "q": 0.0, "dq": 0.0, "tau": 0.0, kp: 0.0, kd: 0.0}
    return [SimpleNamespace(**zeros, reserve=[0, 0, 0]) for _ in range(MOTORS)]


def motor_states(values: tuple[Any, ...], effort: str) -> list[SimpleNamespace]:
    """Return twenty states with the fields of an SDK's message.

    Args:
        values: All of their numbers.
        effort: The SDK's name of the estimated torque.
    """
    width = len(values) // MOTORS
    rows = [values[i * width : (i + 1) * width] for i in range(MOTORS)]
    return [
        SimpleNamespace(mode=r[0], q=r[1], dq=r[2], temperature=r[8], **{effort: r[4]})
        for r in rows
    ]


def inertial_unit(values: tuple[float, ...]) -> SimpleNamespace:
    """Return what it measures: quaternion w first, angular velocity, acceleration."""
    return SimpleNamespace(
        quaternion=values[:4], gyroscope=values[4:7], accelerometer=values[7:10]
    )
