"""How each stream of the contract travels: its topic, its message, and how that is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import TwistStamped, WrenchStamped
from sensor_msgs.msg import Image, Imu, JointState, PointCloud2
from std_msgs.msg import String

from robot_policies.interface import ContractError
from robot_policies.interface.observation import (
    COMMAND,
    DEPTH,
    EFFORT,
    ENVIRONMENT_STATE,
    IMAGES,
    IMU,
    LABELS,
    POINTS,
    STATE,
    TASK,
    VELOCITY_COMMAND,
    WRENCH,
)
from robot_policies.nodes.clouds import decode_cloud
from robot_policies.nodes.decoding import (
    Sample,
    decode_command,
    decode_effort,
    decode_environment,
    decode_imu,
    decode_joints,
    decode_task,
    decode_velocity,
    decode_wrench,
)
from robot_policies.nodes.images import decode_depth, decode_image, decode_labels

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


def stream(feature: str) -> Stream:
    """Return how a feature travels.

    Raises:
        ContractError: If there is no message for it.
    """
    for kind, (topic, decode) in PICTURES.items():
        if feature.startswith(f"{kind}."):
            return Stream(topic.format(camera_of(feature)), Image, decode)
    if feature not in STREAMS:
        raise ContractError(f"no message carries '{feature}'; known: {[*STREAMS, *PICTURES]}")
    return STREAMS[feature]


def camera_of(name: str) -> str:
    """Return the camera's name in a feature such as `observation.images.top`."""
    return name.split(".", 2)[2]


# Topic of each kind of picture, with the camera's name in it, and how it is read.
PICTURES: Mapping[str, tuple[str, Callable[[Any], Sample]]] = {
    IMAGES: ("camera/{}/image_raw", decode_image),
    DEPTH: ("camera/{}/depth/image_raw", decode_depth),
    LABELS: ("camera/{}/labels/image_raw", decode_labels),
}


STREAMS: Mapping[str, Stream] = {
    EFFORT: Stream("joint_states", JointState, decode_effort),
    STATE: Stream("joint_states", JointState, decode_joints),
    COMMAND: Stream("command_sent", JointState, decode_command),
    IMU: Stream("imu/data", Imu, decode_imu),
    WRENCH: Stream("wrench", WrenchStamped, decode_wrench),
    POINTS: Stream("camera/points", PointCloud2, decode_cloud),
    VELOCITY_COMMAND: Stream("cmd_vel", TwistStamped, decode_velocity),
    ENVIRONMENT_STATE: Stream("environment_state", JointState, decode_environment),
    TASK: Stream("task", String, decode_task),
}
