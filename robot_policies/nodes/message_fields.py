"""Fields of messages that many have: stamps, headers, numbers."""

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

NANOSECONDS = 1_000_000_000


def to_time(stamp: float) -> Time:
    """Return seconds as a ROS time."""
    seconds, nanoseconds = divmod(round(stamp * 1e9), NANOSECONDS)
    return Time(sec=seconds, nanosec=nanoseconds)


def header(stamp: float, frame: str = "") -> Header:
    """Return a message header."""
    return Header(stamp=to_time(stamp), frame_id=frame)


def doubles(values: np.ndarray) -> array:
    """Return numbers as a message's field takes them without a look at each."""
    return array("d", np.asarray(values, dtype=np.float64).tobytes())


def fill(target: Any, fields: str, values: Iterable[float]) -> None:
    """Set the fields named by single letters."""
    for field, value in zip(fields, values, strict=True):
        setattr(target, field, float(value))
