"""The message class of each stream of the contract, beside its topic and how that is read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from sensor_msgs.msg import PointCloud2

from robot_policies.data.ros_messages import Sample
from robot_policies.data.ros_streams import CARRIERS, PICTURES, Carrier
from robot_policies.interface import ContractError
from robot_policies.interface.observation import POINTS
from robot_policies.nodes.clouds import decode_cloud

# The policy's node says from which moment on it wants pictures of the robot's own cameras.
PICTURES_WANTED = "pictures_wanted"


@dataclass(frozen=True)
class Stream:
    """How a feature travels.

    Attributes:
        topic: Relative topic name.
        message: Message type.
        decode: Message to sample; raises `ContractError` for a message it cannot read whole.
    """

    topic: str
    message: type
    decode: Callable[[Any], Sample]


@cache  # it is asked with every message
def stream(feature: str) -> Stream:
    """Return how a feature travels.

    Raises:
        ContractError: If there is no message for it.
    """
    for kind, carrier in PICTURES.items():
        if feature.startswith(f"{kind}."):
            return _of(carrier, carrier.topic.format(camera_of(feature)))
    if feature == POINTS:
        return Stream("camera/points", PointCloud2, decode_cloud)
    if feature not in CARRIERS:
        known = [*CARRIERS, POINTS, *PICTURES]
        raise ContractError(f"no message carries '{feature}'; known: {known}")
    return _of(CARRIERS[feature], CARRIERS[feature].topic)


def camera_of(name: str) -> str:
    """Return the camera's name in a feature such as `observation.images.top`."""
    return name.split(".", 2)[2]


def message_class(name: str) -> type:
    """Return the class of a message type such as `std_msgs/msg/String`.

    Raises:
        ImportError: If its package is not installed.
        AttributeError: If the package has no such type.
    """
    package, _, message = name.split("/")
    return getattr(import_module(f"{package}.msg"), message)


def _of(carrier: Carrier, topic: str) -> Stream:
    return Stream(topic, message_class(carrier.type), carrier.decode)
