"""`sensor_msgs/Image` read pixel by pixel: colour, depth and classes, without a copy of colour."""

from typing import TYPE_CHECKING, Any

import numpy as np

from robot_policies.data.ros_messages import Sample, to_seconds
from robot_policies.interface import ContractError

if TYPE_CHECKING:
    from sensor_msgs.msg import Image

MILLIMETRE = 1e-3  # m
COLOR, DEPTH, LABELS = ("rgb8", "bgr8"), ("32FC1", "16UC1"), ("mono8", "8UC1")


def decode_image(message: "Image") -> Sample:
    """Read a colour image without copying it. Shape (height, width, 3), uint8 RGB.

    Raises:
        ContractError: If the encoding is another or the data is not of the announced size.
    """
    pixels = _pixels(message, COLOR, np.dtype(np.uint8), 3)
    if message.encoding == "bgr8":
        pixels = pixels[:, :, ::-1]
    return Sample(pixels, to_seconds(message.header.stamp))


def decode_depth(message: "Image") -> Sample:
    """Read depth in metres (32FC1) or millimetres (16UC1). Shape (height, width), float32. [m].

    What was not measured, which these say as no number, infinity or 0, is 0.

    Raises:
        ContractError: If the encoding is another or the data is not of the announced size.
    """
    kind = np.dtype(np.uint16 if message.encoding == "16UC1" else np.float32)
    pixels = _pixels(message, DEPTH, kind.newbyteorder(">" if message.is_bigendian else "<"))
    depth = pixels.astype(np.float32)
    if message.encoding == "16UC1":
        depth *= np.float32(MILLIMETRE)
    depth[~np.isfinite(depth) | (depth < 0.0)] = 0.0
    return Sample(depth, to_seconds(message.header.stamp))


def decode_labels(message: "Image") -> Sample:
    """Read the class of each pixel. Shape (height, width), uint8.

    Raises:
        ContractError: If the encoding is another or the data is not of the announced size.
    """
    pixels = _pixels(message, LABELS, np.dtype(np.uint8))
    return Sample(pixels, to_seconds(message.header.stamp))


def _pixels(message: Any, encodings: tuple[str, ...], kind: np.dtype, channels: int = 1) -> Any:
    if message.encoding not in encodings:
        known = " or ".join(encodings)
        raise ContractError(f"image: encoding '{message.encoding}', expected {known}")
    height, width, step = message.height, message.width, message.step
    row = kind.itemsize * channels * width
    if step < row or len(message.data) != height * step:
        raise ContractError(
            f"image: {len(message.data)} bytes for {height} rows of {step}, {width} px wide"
        )
    rows = np.frombuffer(message.data, dtype=np.uint8).reshape(height, step)[:, :row]
    if kind.itemsize > 1:
        rows = np.ascontiguousarray(rows).view(kind)
    return rows.reshape(height, width, channels) if channels > 1 else rows
