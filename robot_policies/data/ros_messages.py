"""ROS messages to samples of the contract's streams; a message that is not whole is refused.

A message comes from a topic or from a bag; nothing here needs ROS. Stamps are `header.stamp` on
one side and seconds on the other. `data/ros_pictures.py` and `nodes/clouds.py` do the same for
what cameras give.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_policies.interface import CommandMode, ContractError

if TYPE_CHECKING:
    from geometry_msgs.msg import TwistStamped, WrenchStamped
    from sensor_msgs.msg import Imu, JointState
    from std_msgs.msg import Header, String

MODE = "mode"  # element of a command that is no joint
MODES = (CommandMode.POLICY, CommandMode.HOLD, CommandMode.DAMP)  # by number


@dataclass(frozen=True, eq=False)
class Sample:
    """One measurement of one stream, as a message carried it.

    Attributes:
        values: Elements, or the instruction.
        stamp: Capture time. [s]
        names: Names of the elements where the message carries names.
        frame: Frame of a cloud's coordinates.
    """

    values: np.ndarray | str
    stamp: float
    names: tuple[str, ...] = ()
    frame: str = ""


def to_seconds(time: Any) -> float:
    """Return a ROS time or duration as seconds."""
    return time.sec + time.nanosec * 1e-9


def decode_joints(message: "JointState") -> Sample:
    """Read joint positions and, where the message has them, velocities.

    Raises:
        ContractError: If a name repeats or an array is not as long as the names.
    """
    position, velocity = message.position, message.velocity
    names = list(message.name)
    return _read_joints("joint_states", message.header, names, pos=position, vel=velocity)


def decode_effort(message: "JointState") -> Sample:
    """Read the efforts of the joints.

    Raises:
        ContractError: If a name repeats or there is not one effort per name.
    """
    return _read_joints("joint_states", message.header, list(message.name), effort=message.effort)


def decode_command(message: "JointState") -> Sample:
    """Read the joint targets that were sent; how they are tracked is left out.

    Raises:
        ContractError: If a name repeats or there is not one position per name.
    """
    names, targets = list(message.name), message.position
    if names[-1:] == [MODE]:
        names, targets = names[:-1], targets[:-1]
    return _read_joints("command_sent", message.header, names, target=targets)


def _read_joints(topic: str, header: "Header", joints: Sequence[str], **fields: Any) -> Sample:
    parts = {suffix: data for suffix, data in fields.items() if len(data)}
    for suffix, data in parts.items():
        if len(data) != len(joints):
            raise ContractError(
                f"{topic}: {len(data)} values of '{suffix}' for {len(joints)} names"
            )
    names = _joint_elements(topic, tuple(joints), tuple(parts))
    values = [np.frombuffer(data, dtype=np.float64) for data in parts.values()]
    return Sample(np.concatenate(values), to_seconds(header.stamp), names)


@lru_cache(maxsize=64)  # a robot says the same names with every message
def _joint_elements(
    topic: str, joints: tuple[str, ...], suffixes: tuple[str, ...]
) -> tuple[str, ...]:
    if len(set(joints)) != len(joints) or not joints or not suffixes:
        raise ContractError(f"{topic}: names repeat or carry no values: {[*joints]}")
    return tuple(f"{joint}.{suffix}" for suffix in suffixes for joint in joints)


def decode_environment(message: "JointState") -> Sample:
    """Read named numbers: the one standard message that carries these with a stamp.

    Raises:
        ContractError: If a name repeats or there are not as many names as numbers.
    """
    names, values = tuple(message.name), np.frombuffer(message.position, dtype=np.float64)
    if len(set(names)) != len(names) or len(names) not in (0, len(values)):
        raise ContractError(f"environment_state: {len(values)} numbers, names {list(names)}")
    return Sample(values.astype(np.float32), to_seconds(message.header.stamp), names)


def decode_imu(message: "Imu") -> Sample:
    """Read orientation (x, y, z, w), angular velocity and linear acceleration."""
    values = (
        *_read(message.orientation, "xyzw"),
        *_read(message.angular_velocity, "xyz"),
        *_read(message.linear_acceleration, "xyz"),
    )
    return Sample(np.array(values, dtype=np.float32), to_seconds(message.header.stamp))


def decode_wrench(message: "WrenchStamped") -> Sample:
    """Read force and torque."""
    values = (*_read(message.wrench.force, "xyz"), *_read(message.wrench.torque, "xyz"))
    return Sample(np.array(values, dtype=np.float32), to_seconds(message.header.stamp))


def decode_velocity(message: "TwistStamped") -> Sample:
    """Read a planar velocity command.

    Raises:
        ContractError: If it asks for motion out of the plane, which would be lost.
    """
    linear, angular = message.twist.linear, message.twist.angular
    if linear.z or angular.x or angular.y:
        raise ContractError("cmd_vel: only linear.x, linear.y and angular.z can be followed")
    values = np.array((linear.x, linear.y, angular.z), dtype=np.float32)
    return Sample(values, to_seconds(message.header.stamp))


def decode_task(message: "String") -> Sample:
    """Read the instruction; it has no capture time and holds until the next one."""
    return Sample(message.data, 0.0)


def _read(source: Any, fields: str) -> tuple[float, ...]:
    return tuple(getattr(source, field) for field in fields)
