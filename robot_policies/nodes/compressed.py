"""Colour pictures as JPEG, for a policy on another computer.

They are compressed in a thread, and only while somebody listens: a 640x480 picture of 0.9 MB
becomes about 0.1 MB. The control loop hands a picture over and goes on.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from robot_policies.data.ros_messages import Sample, to_seconds
from robot_policies.data.ros_pictures import decode_image
from robot_policies.interface import ContractError
from robot_policies.interface.observation import IMAGES
from robot_policies.nodes.qos import COMMAND
from robot_policies.nodes.streams import Stream

# Of 100; and no colour is shared between pixels, so that small coloured things stay as they are.
QUALITY = [
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
]


def is_compressible(feature: str) -> bool:
    """Return whether a stream travels compressed: colour does, depth and classes must not."""
    return feature.startswith(f"{IMAGES}.")


def compressed_topic(topic: str) -> str:
    """Return the topic beside a picture's own, named as `image_transport` names it."""
    return f"{topic}/compressed"


def compressed(raw: Stream) -> Stream:
    """Return how the pictures of a colour stream travel compressed."""
    return Stream(compressed_topic(raw.topic), CompressedImage, decode_compressed)


def compress(message: Image) -> CompressedImage:
    """Return a colour picture as JPEG, with the same header."""
    pixels = np.asarray(decode_image(message).values)
    encoded, data = cv2.imencode(".jpg", pixels[:, :, ::-1], QUALITY)
    if not encoded:
        raise ContractError(f"a picture of shape {pixels.shape} cannot be compressed")
    return CompressedImage(
        header=message.header, format="rgb8; jpeg compressed bgr8", data=data.tobytes()
    )


def decode_compressed(message: CompressedImage) -> Sample:
    """Read a compressed colour picture. Shape (height, width, 3), uint8 RGB.

    Raises:
        ContractError: If it cannot be read.
    """
    data = np.frombuffer(message.data, dtype=np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if pixels is None:
        raise ContractError(f"image: {len(data)} bytes of '{message.format}' cannot be read")
    return Sample(pixels[:, :, ::-1], to_seconds(message.header.stamp))


class CompressedPublisher:
    """Publishes one camera's pictures compressed, beside the raw ones.

    While one picture is compressed the next may wait; one that comes meanwhile takes its place.
    """

    def __init__(self, node: Any, topic: str) -> None:
        """Announce the topic.

        Args:
            node: The robot's node.
            topic: That of the raw pictures.
        """
        self._node = node
        self._publisher = node.create_publisher(CompressedImage, compressed_topic(topic), COMMAND)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="jpeg")
        self._waiting: Future[None] | None = None

    @property
    def listeners(self) -> int:
        """How many listen."""
        return self._publisher.get_subscription_count()

    def publish(self, message: Image) -> None:
        """Compress a picture beside the caller and publish it, if anybody listens."""
        if self.listeners:
            if self._waiting:
                self._waiting.cancel()
            self._waiting = self._pool.submit(self._compress, message)

    def close(self) -> None:
        """Withdraw the topic."""
        self._pool.shutdown(cancel_futures=True)
        self._node.destroy_publisher(self._publisher)

    def _compress(self, message: Image) -> None:
        self._publisher.publish(compress(message))
