"""What the messages of a ROS 2 driver say, or why they cannot be used; no node is needed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import Image, JointState

from robot_policies.interface import ArraySpec, BackendError, ConfigError
from robot_policies.interface.observation import IMAGES
from robot_policies.interface.schema import build

ENCODINGS = ("rgb8", "bgr8")


@dataclass(frozen=True)
class Measured:
    """The newest measurement of one joint; what the driver does not measure is `None`.

    Attributes:
        stamp: Capture time. [s]
        position: [rad], [m]
        velocity: [rad/s], [m/s]
        effort: [N m], [N]
    """

    stamp: float
    position: float
    velocity: float | None
    effort: float | None


@dataclass(frozen=True)
class CameraTopic:
    """Where a camera's pictures come from.

    Attributes:
        topic: Topic of `sensor_msgs/Image`.
        width: Image width. [px]
        height: Image height. [px]
    """

    topic: str
    width: int
    height: int


@dataclass(frozen=True)
class GripTopic:
    """How a grip is opened.

    Attributes:
        command: Topic of its joint trajectory controller.
        open: Position of each of its joints in which nothing is held. [rad], [m]
    """

    command: str
    open: Mapping[str, float]

    def __post_init__(self) -> None:
        """Refuse a grip without joints, or without a place for one."""
        if not self.open:
            raise ConfigError("ros2_control.yaml: grip: open names no joint")
        for name, value in self.open.items():
            if not isinstance(value, int | float) or not np.isfinite(value):
                raise ConfigError(
                    f"ros2_control.yaml: grip: open: {name} is {value!r}, expected a number"
                )


def camera_topics(cameras: Mapping[str, Any], where: str) -> dict[str, CameraTopic]:
    """Return the cameras by feature name.

    Raises:
        ConfigError: If an entry lacks a key or has an unknown one.
    """
    return {
        f"{IMAGES}.{name}": build(CameraTopic, entry, f"{where}.{name}")
        for name, entry in cameras.items()
    }


def camera_spec(feature: str, camera: CameraTopic) -> ArraySpec:
    """Return the stream of a camera."""
    return ArraySpec(feature, (camera.height, camera.width, 3), np.dtype(np.uint8))


def joint_measurements(message: JointState, wanted: Collection[str]) -> dict[str, Measured]:
    """Return what a message measures of the wanted joints.

    Raises:
        BackendError: If it carries no stamp, no finite position for one of them, or two.
    """
    stamp = _stamp(message)
    rows = [
        data if len(data) == len(message.name) else [None] * len(message.name)
        for data in (message.position, message.velocity, message.effort)
    ]
    measured = {}
    for name, position, velocity, effort in zip(message.name, *rows, strict=True):
        if name not in wanted:
            continue
        if position is None or not np.isfinite(position):
            raise BackendError(f"'{name}' has position {position}")
        if name in measured:
            raise BackendError(f"'{name}' is named twice in one message")
        measured[name] = Measured(stamp, position, _finite(velocity), _finite(effort))
    return measured


def picture(message: Image) -> tuple[np.ndarray, float]:
    """Return a colour picture and its capture time. Shape (height, width, 3), uint8 RGB; [s].

    Raises:
        BackendError: If it carries no stamp, is of another encoding or of the wrong size.
    """
    if message.encoding not in ENCODINGS:
        raise BackendError(f"encoding '{message.encoding}', expected one of {ENCODINGS}")
    if len(message.data) != message.height * message.step or message.step < 3 * message.width:
        raise BackendError(
            f"{len(message.data)} bytes for {message.height} rows of {message.step}"
        )
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : 3 * message.width].reshape(message.height, message.width, 3)
    order = 1 if message.encoding == "rgb8" else -1
    return np.ascontiguousarray(pixels[:, :, ::order]), _stamp(message)


def _stamp(message: JointState | Image) -> float:
    stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
    if stamp == 0.0:
        raise BackendError("the messages carry no stamp")
    return stamp


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else value
