"""Colour pictures that travel compressed."""

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from robot_policies.data.ros_messages import to_seconds
from robot_policies.interface import ContractError
from robot_policies.nodes.compressed import compress, decode_compressed, is_compressible
from robot_policies.nodes.images import encode_image
from robot_policies.nodes.message_fields import header


def scene() -> np.ndarray:
    """Return a picture with edges, colours and shades."""
    y, x = np.mgrid[0:120, 0:160]
    picture = np.stack([x, y, 255 - x], axis=-1).clip(0, 255).astype(np.uint8)
    picture[30:60, 40:90] = (220, 30, 20)
    return picture


def test_a_picture_comes_back_with_its_stamp_colours_and_small_differences():
    message = compress(encode_image(scene(), header(12.5, "top_optical_frame")))
    sample = decode_compressed(message)
    assert message.header.frame_id == "top_optical_frame"
    assert sample.stamp == pytest.approx(12.5) == to_seconds(message.header.stamp)
    error = sample.values.astype(float) - scene()
    assert sample.values.shape == scene().shape
    assert np.sqrt((error**2).mean()) < 4.0
    assert len(message.data) < scene().size / 5
    assert abs(sample.values[45, 65].astype(int) - (220, 30, 20)).max() < 25


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0" + bytes(20)])
def test_bytes_that_are_no_picture_are_refused(data):
    with pytest.raises(ContractError, match="cannot be read"):
        decode_compressed(CompressedImage(header=Header(), format="jpeg", data=data))


def test_only_colour_is_compressed():
    assert is_compressible("observation.images.top")
    assert not is_compressible("observation.depth.top")
    assert not is_compressible("observation.labels.top")
