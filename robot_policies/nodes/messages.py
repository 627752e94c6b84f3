"""How each stream of the contract becomes a ROS message of a standard type.

Names travel with every array, so an order is never assumed across a topic. Stamps are node-clock
seconds on one side and `header.stamp` on the other.

Image and cloud data is handed over as `bytes`: assigning an ndarray to a `uint8[]` field checks
every element (92 ms for a 640x480 image against 0.03 ms). `data/ros_messages.py`,
`data/ros_pictures.py` and `clouds.py` lead back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped, WrenchStamped
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import String

from robot_policies.interface import ArraySpec, ContractError, RobotSpec, RobotState
from robot_policies.interface.observation import (
    COMMAND,
    ENVIRONMENT_STATE,
    IMU,
    POINTS,
    STATE,
    VELOCITY_COMMAND,
    WRENCH,
    is_picture,
)
from robot_policies.interface.urdf import BASE, optical_frame
from robot_policies.nodes.clouds import encode_cloud
from robot_policies.nodes.images import encode_image
from robot_policies.nodes.message_fields import doubles, fill, header
from robot_policies.nodes.streams import camera_of


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
        message = encode_image(values, header(stamp, optical_frame(camera_of(name))))
    else:
        raise ContractError(f"no message carries '{name}'")
    return message


def encode_velocity(values: np.ndarray, stamp: float) -> TwistStamped:
    """Return a base velocity (linear.x, linear.y, angular.z) as a twist in the base frame."""
    message = TwistStamped(header=header(stamp, BASE))
    fill(message.twist.linear, "xy", values[:2])
    message.twist.angular.z = float(values[2])
    return message
