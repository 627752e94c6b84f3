"""How each stream of the contract travels, and how it becomes a ROS message of a standard type.

Names travel with every array, so an order is never assumed across a topic. Stamps are node-clock
seconds on one side and `header.stamp` on the other.

Image and cloud data is handed over as `bytes`: assigning an ndarray to a `uint8[]` field checks
every element (92 ms for a 640x480 image against 0.03 ms). `nodes/decoding.py` leads back.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped, WrenchStamped
from sensor_msgs.msg import Image, Imu, JointState, PointCloud2, PointField
from std_msgs.msg import Header, String

from robot_policies.interface import ArraySpec, ContractError, RobotSpec, RobotState
from robot_policies.interface.observation import (
    ENVIRONMENT_STATE,
    IMAGES,
    IMU,
    POINTS,
    STATE,
    TASK,
    VELOCITY_COMMAND,
    WRENCH,
)
from robot_policies.nodes.decoding import (
    Sample,
    decode_environment,
    decode_image,
    decode_imu,
    decode_joints,
    decode_points,
    decode_task,
    decode_velocity,
    decode_wrench,
)

NANOSECONDS = 1_000_000_000


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
    if feature.startswith(f"{IMAGES}."):
        camera = feature.removeprefix(f"{IMAGES}.")
        return Stream(f"camera/{camera}/image_raw", Image, decode_image)
    if feature not in STREAMS:
        raise ContractError(f"no message carries '{feature}'; known: {[*STREAMS, IMAGES + '.*']}")
    return STREAMS[feature]


def encode_state(
    robot: RobotSpec, state: RobotState, provides: Mapping[str, ArraySpec]
) -> dict[str, Any]:
    """Return one message per stream of a state, by feature name; the joints come last.

    Whoever answers the joints of this moment then already has its other streams.

    Args:
        robot: The robot.
        state: What was measured.
        provides: The backend's streams, for the names of their elements.
    """
    messages = {
        name: encode_feature(
            name, values, state.stamps.get(name, state.stamp), robot, provides[name].names
        )
        for name, values in state.features.items()
    }
    messages[STATE] = JointState(
        header=header(state.stamp),
        name=list(robot.joint_names),
        position=_doubles(state.joint_position),
        velocity=_doubles(state.joint_velocity),
        effort=_doubles(state.joint_effort),
    )
    return messages


def encode_feature(
    name: str,
    values: np.ndarray | str,
    stamp: float,
    robot: RobotSpec | None = None,
    names: Sequence[str] = (),
) -> Any:
    """Return the message of one feature other than the joints.

    Args:
        name: Feature name.
        values: As the contract says for this feature.
        stamp: Capture time. [s]
        robot: Gives the frame of the inertial unit.
        names: Names of the elements, where the message carries them.
    """
    if isinstance(values, str):
        return String(data=values)
    if name == IMU:
        message = Imu(header=header(stamp, robot.imu_link if robot else ""))
        fill(message.orientation, "xyzw", values[:4])
        fill(message.angular_velocity, "xyz", values[4:7])
        fill(message.linear_acceleration, "xyz", values[7:10])
    elif name == WRENCH:
        message = WrenchStamped(header=header(stamp))
        fill(message.wrench.force, "xyz", values[:3])
        fill(message.wrench.torque, "xyz", values[3:6])
    elif name == VELOCITY_COMMAND:
        message = encode_velocity(values, stamp)
    elif name == ENVIRONMENT_STATE:
        message = JointState(header=header(stamp), name=list(names), position=_doubles(values))
    elif name == POINTS:
        message = _encode_points(np.ascontiguousarray(values, dtype=np.float32), stamp)
    elif name.startswith(f"{IMAGES}."):
        height, width, _ = values.shape
        frame = f"{name.removeprefix(f'{IMAGES}.')}_optical"
        message = Image(header=header(stamp, frame), height=height, width=width)
        message.encoding, message.step, message.data = "rgb8", 3 * width, values.tobytes()
    else:
        raise ContractError(f"no message carries '{name}'")
    return message


def encode_velocity(values: np.ndarray, stamp: float) -> TwistStamped:
    """Return a base velocity (linear.x, linear.y, angular.z) as a twist in the base frame."""
    message = TwistStamped(header=header(stamp, "base_link"))
    fill(message.twist.linear, "xy", values[:2])
    message.twist.angular.z = float(values[2])
    return message


def _encode_points(points: np.ndarray, stamp: float) -> PointCloud2:
    fields = [
        PointField(name=axis, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, axis in enumerate("xyz")
    ]
    message = PointCloud2(header=header(stamp), height=1, width=len(points), fields=fields)
    message.point_step, message.row_step, message.is_dense = 12, 12 * len(points), True
    message.data = points.tobytes()
    return message


def _doubles(values: np.ndarray) -> array:
    return array("d", np.asarray(values, dtype=np.float64).tobytes())


def fill(target: Any, fields: str, values: Iterable[float]) -> None:
    """Set the fields named by single letters."""
    for field, value in zip(fields, values, strict=True):
        setattr(target, field, float(value))


STREAMS: Mapping[str, Stream] = {
    STATE: Stream("joint_states", JointState, decode_joints),
    IMU: Stream("imu/data", Imu, decode_imu),
    WRENCH: Stream("wrench", WrenchStamped, decode_wrench),
    POINTS: Stream("camera/points", PointCloud2, decode_points),
    VELOCITY_COMMAND: Stream("cmd_vel", TwistStamped, decode_velocity),
    ENVIRONMENT_STATE: Stream("environment_state", JointState, decode_environment),
    TASK: Stream("task", String, decode_task),
}
