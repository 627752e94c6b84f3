"""Pictures as drivers send them: colour, aligned depth in mm or m, classes."""

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from robot_policies.interface import ContractError
from robot_policies.nodes.images import encode_image
from robot_policies.nodes.streams import stream

DEPTH, LABELS = "observation.depth.top", "observation.labels.top"
MILLIMETRES = np.array([[0, 500, 1250], [65535, 1, 20]], np.uint16)


def image(pixels: np.ndarray, encoding: str, big: bool = False, padding: int = 0) -> Image:
    rows = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).view(np.uint8)
    rows = np.pad(rows.reshape(len(pixels), -1), ((0, 0), (0, padding)))
    height, width = pixels.shape[:2]
    return Image(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=big,
        step=rows.shape[1],
        data=rows.tobytes(),
    )


def test_each_kind_of_picture_has_a_topic():
    topics = [stream(f"observation.{kind}.top").topic for kind in ("images", "depth", "labels")]
    expected = ["image_raw", "depth/image_raw", "labels/image_raw"]
    assert topics == [f"camera/top/{name}" for name in expected]


@pytest.mark.parametrize("how", [{}, {"big": True}, {"padding": 3}])
def test_depth_in_millimetres_becomes_metres(how):
    values = stream(DEPTH).decode(image(MILLIMETRES, "16UC1", **how)).values
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, MILLIMETRES / 1000.0, rtol=1e-6)


@pytest.mark.parametrize("big", [False, True])
def test_depth_in_metres_says_what_was_not_measured_as_zero(big):
    pixels = np.array([[0.5, np.nan, np.inf], [-np.inf, -1.0, 2.0]], np.float32)
    values = stream(DEPTH).decode(image(pixels, "32FC1", big)).values
    np.testing.assert_array_equal(values, [[0.5, 0.0, 0.0], [0.0, 0.0, 2.0]])


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_a_mask_is_read_as_it_is(encoding):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    values = stream(LABELS).decode(image(pixels, encoding, padding=1)).values
    np.testing.assert_array_equal(values, pixels)


@pytest.mark.parametrize(
    ("feature", "pixels"),
    [
        (DEPTH, np.array([[0.0, 0.25], [1.5, 3.0]], np.float32)),
        (LABELS, np.array([[0, 1], [2, 255]], np.uint8)),
    ],
)
def test_what_is_sent_is_read(feature, pixels):
    sample = stream(feature).decode(encode_image(pixels, Header()))
    np.testing.assert_array_equal(sample.values, pixels)
    assert sample.values.dtype == pixels.dtype


@pytest.mark.parametrize(
    ("feature", "encoding", "complaint"),
    [
        (DEPTH, "mono16", "encoding 'mono16', expected 32FC1 or 16UC1"),
        (LABELS, "16UC1", "encoding '16UC1', expected mono8 or 8UC1"),
        ("observation.images.top", "mono8", "encoding 'mono8', expected rgb8 or bgr8"),
        (DEPTH, "32FC1", "12 bytes for 2 rows of 6, 3 px wide"),
    ],
)
def test_another_encoding_or_size_is_refused(feature, encoding, complaint):
    with pytest.raises(ContractError, match=complaint):
        stream(feature).decode(image(MILLIMETRES, encoding))
