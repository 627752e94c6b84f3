"""Whatever a message holds, reading it gives a value or a refusal: no message ends a node."""

from contextlib import suppress

import pytest
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Quaternion, Transform, Twist, TwistStamped, Vector3
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import Image, JointState, PointCloud2, PointField
from std_msgs.msg import Header
from trajectory_msgs.msg import (
    JointTrajectory,
    JointTrajectoryPoint,
    MultiDOFJointTrajectory,
    MultiDOFJointTrajectoryPoint,
)

from robot_policies.data.ros_messages import (
    decode_command,
    decode_environment,
    decode_joints,
    decode_velocity,
)
from robot_policies.data.ros_pictures import decode_depth, decode_image, decode_labels
from robot_policies.interface import ContractError
from robot_policies.nodes.chunks import decode_chunk
from robot_policies.nodes.clouds import decode_cloud

number = st.sampled_from([0.0, 1.0, 1e-320, 1e308, -1e308, float("inf"), float("nan")])
numbers = st.lists(number, max_size=3)
size = st.sampled_from([0, 1, 2, 3, 12, 16, 65536, 2**31 - 1, 2**31, 2**32 - 1])
stamp = st.builds(Time, sec=st.sampled_from([0, -1, 2**31 - 1]), nanosec=size)
header = st.builds(Header, stamp=stamp, frame_id=st.sampled_from(["", "base", "limits {}"]))
word = st.sampled_from(["a", "b", "mode", "", ".limit.lower", "a.limit.lower", "a.limit.no"])
names = st.lists(word, max_size=3)
vector = st.builds(Vector3, x=number, y=st.just(0.0), z=number)
turn = st.builds(Quaternion, x=number, y=number, z=st.just(0.0), w=number)
transforms = st.lists(st.builds(Transform, translation=vector, rotation=turn), max_size=2)
twist = st.builds(Twist, linear=vector, angular=vector)
due = st.builds(Duration, sec=st.sampled_from([0, 0, 0, -1, 2**31 - 1]), nanosec=size)
point = st.builds(JointTrajectoryPoint, positions=numbers, velocities=numbers, time_from_start=due)
body = st.builds(
    MultiDOFJointTrajectoryPoint,
    transforms=transforms,
    velocities=st.lists(twist, max_size=2),
    time_from_start=due,
)
kind = st.sampled_from([PointField.FLOAT32] * 9 + [PointField.FLOAT64, PointField.UINT8, 0, 99])
fields = st.tuples(
    *(
        st.builds(
            PointField, name=st.just(n), offset=st.sampled_from([4 * i] * 9) | size, datatype=kind
        )
        for i, n in enumerate(["x", "y", "z", "class"])
    )
).map(list)
data = st.sampled_from([0, 1, 2, 3, 6, 12, 16, 32]).map(bytes)
encoding = st.sampled_from(["rgb8", "bgr8", "mono8", "32FC1", "16UC1", ""])
joints = st.builds(
    JointState, header=header, name=names, position=numbers, velocity=numbers, effort=numbers
)
image = st.builds(
    Image, header=header, height=size, width=size, encoding=encoding, step=size, data=data
)
MESSAGES = {
    "joints": (decode_joints, joints),
    "command": (decode_command, joints),
    "environment": (decode_environment, joints),
    "velocity": (decode_velocity, st.builds(TwistStamped, header=header, twist=twist)),
    "picture": (decode_image, image),
    "depth": (decode_depth, image),
    "labels": (decode_labels, image),
    "cloud": (
        decode_cloud,
        st.builds(
            PointCloud2,
            header=header,
            height=size,
            width=size,
            fields=fields,
            point_step=size,
            row_step=size,
            is_bigendian=st.booleans(),
            data=data,
        ),
    ),
    "chunk": (
        decode_chunk,
        st.builds(
            JointTrajectory, header=header, joint_names=names, points=st.lists(point, max_size=2)
        ),
    ),
    "gripper": (
        decode_chunk,
        st.builds(
            MultiDOFJointTrajectory,
            header=header,
            joint_names=names,
            points=st.lists(body, max_size=2),
        ),
    ),
}


@pytest.mark.filterwarnings("ignore:overflow encountered")  # the specs refuse what is infinite
@pytest.mark.parametrize(("decode", "messages"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_is_read_or_refused(decode, messages):
    @given(message=messages)
    @settings(max_examples=150, deadline=None, derandomize=True)
    def reads(message):
        with suppress(ContractError):
            decode(message)

    reads()


def test_a_point_of_a_cloud_has_a_size_that_can_be():
    fields = [PointField(name=n, offset=4 * i, datatype=7) for i, n in enumerate("xyz")]
    with pytest.raises(ContractError, match="2147483648 bytes a point"):
        decode_cloud(PointCloud2(fields=fields, point_step=2**31, height=1))


def test_a_rotation_larger_than_any_float_is_refused():
    turned = Transform(rotation=Quaternion(x=1e308, w=1e308))
    step = Duration(sec=1)
    row = MultiDOFJointTrajectoryPoint(transforms=[turned], time_from_start=step)
    with pytest.raises(ContractError, match="is no unit one"):
        decode_chunk(MultiDOFJointTrajectory(joint_names=["gripper"], points=[row]))
