"""How each stream of the contract travels, and how it becomes a ROS message of a standard type.

Names travel with every array, so an order is never assumed across a topic. Stamps are node-clock
seconds on one side and `header.stamp` on the other.

Image and cloud data is handed over as `bytes`: assigning an ndarray to a `uint8[]` field checks
every element (92 ms for a 640x480 image against 0.03 ms). `nodes/decoding.py`, `images.py` and
`clouds.py` lead back.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped, WrenchStamped
from sensor_msgs.msg import Image, Imu, JointState, PointCloud2
from std_msgs.msg import Header, String

from robot_policies.interface import ArraySpec, ContractError, RobotSpec, RobotState
from robot_policies.interface.observation import (
    COMMAND,
    DEPTH,
    ENVIRONMENT_STATE,
    IMAGES,
    IMU,
    LABELS,
    POINTS,
    STATE,
    TASK,
    VELOCITY_COMMAND,
    WRENCH,
    is_picture,
)
from robot_policies.nodes.clouds import decode_cloud, encode_cloud
from robot_policies.nodes.decoding import (
    Sample,
    decode_command,
    decode_environment,
    decode_imu,
    decode_joints,
    decode_task,
    decode_velocity,
    decode_wrench,
)
from robot_policies.nodes.images import decode_depth, decode_image, decode_labels, encode_image

NANOSECONDS = 1_000_000_000
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


def to_time(stamp: float) -> Time:
    """Return seconds as a ROS time."""
    seconds, nanoseconds = divmod(round(stamp * 1e9), NANOSECONDS)
    return Time(sec=seconds, nanosec=nanoseconds)


def header(stamp: float, frame: str = "") -> Header:
    """Return a message header."""
    return Header(stamp=to_time(stamp), frame_id=frame)


def stream(feature: str) -> Stream:
    """Return how a feature travels.

    Raises:
        ContractError: If there is no message for it.
    """
    for kind, (topic, decode) in PICTURES.items():
        if feature.startswith(f"{kind}."):
            return Stream(topic.format(_camera(feature)), Image, decode)
    if feature not in STREAMS:
        raise ContractError(f"no message carries '{feature}'; known: {[*STREAMS, *PICTURES]}")
    return STREAMS[feature]


def encode_state(
    robot: RobotSpec, state: RobotState, provides: Mapping[str, ArraySpec]
) -> dict[str, Any]:
    """Return one message per stream of a state, by feature name; the joints come last.

    Whoever answers the joints of this moment then already has its other streams. The command in
    force is not among them: `command_sent` carried it when it was given.

    Args:
        robot: The robot.
        state: What was measured.
        provides: The backend's streams, for the names of their elements.
    """
    messages = {}
    for name, values in state.features.items():
        if name == COMMAND:
            continue
        stamp, spec = state.stamps.get(name, state.stamp), provides[name]
        messages[name] = encode_feature(name, values, stamp, robot, spec.names, spec.frame)
    messages[STATE] = JointState(
        header=header(state.stamp),
        name=list(robot.joint_names),
        position=doubles(state.joint_position),
        velocity=doubles(state.joint_velocity),
        effort=doubles(state.joint_effort),
    )
    return messages


def encode_feature(
    name: str,
    values: np.ndarray | str,
    stamp: float,
    robot: RobotSpec | None = None,
    names: Sequence[str] = (),
    frame: str = "",
) -> Any:
    """Return the message of one feature other than the joints.

    Args:
        name: Feature name.
        values: As the contract says for this feature.
        stamp: Capture time. [s]
        robot: Gives the frame of the inertial unit.
        names: Names of the elements, where the message carries them.
        frame: Frame of a cloud's coordinates.
    """
    if isinstance(values, str):
        return String(data=values)
    if name == IMU:
        message = Imu(header=header(stamp, robot.imu_link if robot else ""))
        fill(message.orientation, "xyzw", values[:4])
        fill(message.angular_velocity, "xyz", values[4:7])
        fill(message.linear_acceleration, "xyz", values[7:10])
    elif name == WRENCH:
        message = WrenchStamped(header=header(stamp, frame))
        fill(message.wrench.force, "xyz", values[:3])
        fill(message.wrench.torque, "xyz", values[3:6])
    elif name == VELOCITY_COMMAND:
        message = encode_velocity(values, stamp)
    elif name == ENVIRONMENT_STATE:
        message = JointState(header=header(stamp), name=list(names), position=doubles(values))
    elif name == POINTS:
        message = encode_cloud(values, header(stamp, frame))
    elif is_picture(name):
        message = encode_image(values, header(stamp, f"{_camera(name)}_optical"))
    else:
        raise ContractError(f"no message carries '{name}'")
    return message


def _camera(name: str) -> str:
    return name.split(".", 2)[2]


def encode_velocity(values: np.ndarray, stamp: float) -> TwistStamped:
    """Return a base velocity (linear.x, linear.y, angular.z) as a twist in the base frame."""
    message = TwistStamped(header=header(stamp, "base_link"))
    fill(message.twist.linear, "xy", values[:2])
    message.twist.angular.z = float(values[2])
    return message


def doubles(values: np.ndarray) -> array:
    """Return numbers as a message's field takes them without a look at each."""
    return array("d", np.asarray(values, dtype=np.float64).tobytes())


def fill(target: Any, fields: str, values: Iterable[float]) -> None:
    """Set the fields named by single letters."""
    for field, value in zip(fields, values, strict=True):
        setattr(target, field, float(value))


# Topic of each kind of picture, with the camera's name in it, and how it is read.
PICTURES: Mapping[str, tuple[str, Callable[[Any], Sample]]] = {
    IMAGES: ("camera/{}/image_raw", decode_image),
    DEPTH: ("camera/{}/depth/image_raw", decode_depth),
    LABELS: ("camera/{}/labels/image_raw", decode_labels),
}
STREAMS: Mapping[str, Stream] = {
    STATE: Stream("joint_states", JointState, decode_joints),
    COMMAND: Stream("command_sent", JointState, decode_command),
    IMU: Stream("imu/data", Imu, decode_imu),
    WRENCH: Stream("wrench", WrenchStamped, decode_wrench),
    POINTS: Stream("camera/points", PointCloud2, decode_cloud),
    VELOCITY_COMMAND: Stream("cmd_vel", TwistStamped, decode_velocity),
    ENVIRONMENT_STATE: Stream("environment_state", JointState, decode_environment),
    TASK: Stream("task", String, decode_task),
}
