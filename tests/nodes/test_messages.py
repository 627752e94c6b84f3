import time

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Image, JointState

from robot_policies.catalog import load_robot
from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ArraySpec,
    Command,
    CommandMode,
    ContractError,
    RobotState,
)
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.observation import (
    COMMAND,
    EFFORT,
    ENVIRONMENT_STATE,
    IMU,
    POINTS,
    STATE,
    TASK,
    VELOCITY_COMMAND,
    WRENCH,
)
from robot_policies.nodes.chunks import chunk_type, decode_chunk, encode_chunk
from robot_policies.nodes.commands import encode_command
from robot_policies.nodes.messages import encode_feature, encode_state
from robot_policies.nodes.streams import stream

pytestmark = pytest.mark.smoke

STAMP = 1_700_000_000.123456
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("feature", "values"),
    [
        (IMU, RNG.normal(size=10)),
        (WRENCH, RNG.normal(size=6)),
        (POINTS, RNG.uniform(0, 1, (50, 4)).astype(np.float32)),
        (VELOCITY_COMMAND, np.array([0.5, 0.0, -0.2])),
        ("observation.images.wrist", RNG.integers(0, 255, (4, 6, 3), dtype=np.uint8)),
    ],
)
def test_a_feature_survives_its_message(feature, values):
    sample = stream(feature).decode(encode_feature(feature, values, STAMP))

    np.testing.assert_allclose(sample.values, values, rtol=1e-6)
    assert sample.stamp == pytest.approx(STAMP, abs=1e-6)


def test_efforts_come_with_the_joint_states():
    robot = load_robot("so101")
    zeros, effort = np.zeros(6), np.arange(6.0)
    state = RobotState(STAMP, zeros, zeros, effort)
    sample = stream(EFFORT).decode(encode_state(robot, state, {})[STATE])
    np.testing.assert_array_equal(sample.values, effort)
    assert tuple(sample.names) == robot.effort_stream.names
    silent = JointState(name=["a"], position=[0.0])
    with pytest.raises(ContractError, match="carry no values"):
        stream(EFFORT).decode(silent)


def test_an_instruction_survives_its_message():
    assert stream(TASK).decode(encode_feature(TASK, "stack the cubes", 0.0)).values == (
        "stack the cubes"
    )


def test_joints_travel_with_their_names_and_come_last():
    robot = load_robot("go1")
    state = RobotState(
        STAMP, robot.default, robot.default * 2.0, features={IMU: np.ones(10)}, stamps={IMU: STAMP}
    )

    messages = encode_state(robot, state, robot.streams)
    sample = stream(STATE).decode(messages[STATE])

    assert list(messages) == [IMU, STATE]
    assert sample.names == robot.streams[STATE].names
    np.testing.assert_array_equal(sample.values, [*robot.default, *robot.default * 2.0])


def test_what_the_robot_is_told_of_its_environment_travels_with_its_names():
    robot, names = load_robot("planar_arm"), ("goal.x", "goal.y")
    provides = {ENVIRONMENT_STATE: ArraySpec(ENVIRONMENT_STATE, (2,), unit="m", names=names)}
    where = np.array([0.5, -0.25], np.float32)
    state = RobotState(STAMP, robot.default, robot.default, features={ENVIRONMENT_STATE: where})

    sample = stream(ENVIRONMENT_STATE).decode(
        encode_state(robot, state, provides)[ENVIRONMENT_STATE]
    )

    assert sample.names == names
    np.testing.assert_array_equal(sample.values, where)
    for wrong in (["goal.x"], ["goal.x", "goal.x"]):
        with pytest.raises(ContractError, match="environment_state: 2 numbers"):
            stream(ENVIRONMENT_STATE).decode(JointState(name=wrong, position=[0.5, -0.25]))


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (JointState(name=["a", "b"], position=[1.0]), "1 values of 'pos' for 2 names"),
        (JointState(name=["a", "a"], position=[1.0, 2.0]), "names repeat"),
        (JointState(), "carry no values"),
    ],
)
def test_malformed_joints_are_refused(message, complaint):
    with pytest.raises(ContractError, match=complaint):
        stream(STATE).decode(message)


def test_an_image_of_another_encoding_or_size_is_refused():
    decode = stream("observation.images.wrist").decode
    with pytest.raises(ContractError, match="16UC1"):
        decode(Image(encoding="16UC1"))
    with pytest.raises(ContractError, match="5 bytes"):
        decode(Image(encoding="rgb8", height=1, width=2, step=6, data=b"12345"))


def test_bgr_and_padded_rows_are_read_as_rgb():
    message = Image(encoding="bgr8", height=1, width=1, step=4, data=bytes((1, 2, 3, 0)))
    np.testing.assert_array_equal(
        stream("observation.images.c").decode(message).values, [[[3, 2, 1]]]
    )


def test_a_velocity_out_of_the_plane_is_refused():
    message = TwistStamped()
    message.twist.linear.z = 0.1
    with pytest.raises(ContractError, match="only linear.x"):
        stream(VELOCITY_COMMAND).decode(message)


def test_a_640x480_image_is_filled_and_read_without_touching_each_byte():
    image = np.zeros((480, 640, 3), np.uint8)
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        stream("observation.images.c").decode(encode_feature("observation.images.c", image, STAMP))
        times.append(time.perf_counter() - begin)
    assert min(times) < 10e-3  # an ndarray as data takes 92 ms


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (ActionKind.JOINT_POSITION, ("knee", "hip")),
        (ActionKind.JOINT_VELOCITY, ("knee", "hip")),
        (ActionKind.CARTESIAN_DELTA, CARTESIAN_DELTA_NAMES),
        (ActionKind.CARTESIAN_DELTA, (*CARTESIAN_DELTA_NAMES, "gripper")),
        (ActionKind.BASE_VELOCITY, ("linear.x", "linear.y", "angular.z")),
    ],
)
def test_a_chunk_survives_its_message(kind, names):
    chunk = ActionChunk(STAMP, 1 / 30, RNG.normal(size=(7, len(names))), names, kind)

    message = encode_chunk(chunk)
    back = decode_chunk(message)

    assert isinstance(message, chunk_type(kind)[1])
    assert (back.names, back.kind) == (names, kind)
    assert back.dt == pytest.approx(1 / 30, abs=1e-8)
    assert back.stamp == pytest.approx(STAMP, abs=1e-6)
    np.testing.assert_allclose(back.values, chunk.values, atol=1e-12)


def test_row_k_is_due_k_plus_1_steps_after_the_observation():
    message = encode_chunk(ActionChunk(5.0, 0.02, np.zeros((3, 1)), ("knee",)))

    assert message.header.stamp.sec == 5
    assert [p.time_from_start.nanosec for p in message.points] == [20e6, 40e6, 60e6]


def test_nan_reaches_the_gate_and_is_not_lost_on_the_way():
    chunk = ActionChunk(5.0, 0.02, np.full((1, 1), np.nan), ("knee",))
    assert np.isnan(decode_chunk(encode_chunk(chunk)).values).all()


def test_a_malformed_trajectory_is_refused():
    message = encode_chunk(ActionChunk(5.0, 0.02, np.zeros((3, 2)), ("knee", "hip")))
    message.points[2].time_from_start.nanosec = 50_000_000
    with pytest.raises(ContractError, match="row 2 due at 0.05 s, expected 0.06 s"):
        decode_chunk(message)
    message.points = message.points[:1]
    message.joint_names = ["knee"]
    with pytest.raises(ContractError, match="2 values for 1 names"):
        decode_chunk(message)
    message.points = []
    with pytest.raises(ContractError, match="first row"):
        decode_chunk(message)


def test_unknown_elements_of_a_gripper_chunk_are_refused():
    chunk = ActionChunk(5.0, 0.02, np.zeros((1, 2)), ("u", "v"), ActionKind.CARTESIAN_DELTA)
    with pytest.raises(ContractError, match="'u'"):
        encode_chunk(chunk)


def test_a_command_is_echoed_with_its_moment_and_mode():
    robot = load_robot("go1")
    message = encode_command(robot, Command(STAMP, robot.default, mode=CommandMode.HOLD))

    assert message.name == [*robot.joint_names, "mode"]
    assert message.header.frame_id == ""
    np.testing.assert_array_equal(message.position, [*robot.default, 1.0])
    heard = stream(COMMAND).decode(message)
    assert heard.names == tuple(f"{joint}.target" for joint in robot.joint_names)
    np.testing.assert_array_equal(heard.values, robot.default)
