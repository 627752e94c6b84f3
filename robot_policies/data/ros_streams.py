"""How each stream of the contract is said in ROS 2: its topic, its type, and how that is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from robot_policies.data.ros_messages import (
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
from robot_policies.data.ros_pictures import decode_depth, decode_image, decode_labels
from robot_policies.interface.observation import (
    COMMAND,
    DEPTH,
    EFFORT,
    ENVIRONMENT_STATE,
    IMAGES,
    IMU,
    LABELS,
    STATE,
    TASK,
    VELOCITY_COMMAND,
    WRENCH,
)


@dataclass(frozen=True)
class Carrier:
    """What carries a stream.

    Attributes:
        topic: Relative topic name; of a picture, with `{}` where the camera's name stands.
        type: Message type, such as `sensor_msgs/msg/JointState`.
        decode: Message to sample; raises `ContractError` for a message it cannot read whole.
    """

    topic: str
    type: str
    decode: Callable[[Any], Sample]


JOINTS, PICTURE, TWIST = (
    "sensor_msgs/msg/JointState",
    "sensor_msgs/msg/Image",
    "geometry_msgs/msg/TwistStamped",
)
BASE_SENT = Carrier("base_command_sent", TWIST, decode_velocity)  # in place of `command_sent`
PICTURES: Mapping[str, Carrier] = {
    IMAGES: Carrier("camera/{}/image_raw", PICTURE, decode_image),
    DEPTH: Carrier("camera/{}/depth/image_raw", PICTURE, decode_depth),
    LABELS: Carrier("camera/{}/labels/image_raw", PICTURE, decode_labels),
}
CARRIERS: Mapping[str, Carrier] = {
    EFFORT: Carrier("joint_states", JOINTS, decode_effort),
    STATE: Carrier("joint_states", JOINTS, decode_joints),
    COMMAND: Carrier("command_sent", JOINTS, decode_command),
    IMU: Carrier("imu/data", "sensor_msgs/msg/Imu", decode_imu),
    WRENCH: Carrier("wrench", "geometry_msgs/msg/WrenchStamped", decode_wrench),
    VELOCITY_COMMAND: Carrier("cmd_vel", TWIST, decode_velocity),
    ENVIRONMENT_STATE: Carrier("environment_state", JOINTS, decode_environment),
    TASK: Carrier("task", "std_msgs/msg/String", decode_task),
}
