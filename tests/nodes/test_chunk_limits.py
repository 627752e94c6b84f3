"""Limits as elements of a chunk's message."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from trajectory_msgs.msg import JointTrajectory

from robot_policies.interface import ActionChunk, ActionKind, ContractError, JointLimit
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.observation import VELOCITY_COMMAND_NAMES
from robot_policies.nodes.chunks import decode_chunk, encode_chunk

BODIES = {
    ActionKind.JOINT_POSITION: (),
    ActionKind.JOINT_VELOCITY: (),
    ActionKind.CARTESIAN_DELTA: CARTESIAN_DELTA_NAMES,
    ActionKind.BASE_VELOCITY: VELOCITY_COMMAND_NAMES,
}
JOINT = st.text("abc_.", min_size=1, max_size=6)
BOUND = st.floats(allow_nan=False)
LIMIT = st.builds(JointLimit, BOUND, BOUND, st.floats(min_value=0.0, exclude_min=True))


@st.composite
def chunks(draw: st.DrawFn) -> ActionChunk:
    kind = draw(st.sampled_from(sorted(BODIES)))
    leading = BODIES[kind]
    joints = draw(st.lists(JOINT, min_size=0 if leading else 1, max_size=3, unique=True))
    names = (*leading, *(() if kind is ActionKind.BASE_VELOCITY else joints))
    rows = draw(st.integers(1, 4))
    values = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(rows, len(names)))
    limits = draw(st.dictionaries(JOINT, LIMIT, max_size=3))
    return ActionChunk(12.5, 0.02, values, names, kind, limits)


@settings(max_examples=200, deadline=None)
@given(chunks())
def test_a_chunk_and_its_limits_survive_the_wire(chunk: ActionChunk) -> None:
    message = encode_chunk(chunk)
    assert message.header.frame_id == ""
    back = decode_chunk(deserialize_message(serialize_message(message), type(message)))
    asked = {joint: limit for joint, limit in chunk.limits.items() if limit != JointLimit()}
    assert back.limits == asked
    assert (back.names, back.kind, back.stamp, back.dt) == (
        chunk.names,
        chunk.kind,
        chunk.stamp,
        pytest.approx(chunk.dt),
    )
    np.testing.assert_allclose(back.values, chunk.values, atol=1e-9)


def limited() -> JointTrajectory:
    limits = {"elbow": JointLimit(-0.1, np.inf, 1.5)}
    message = encode_chunk(ActionChunk(0.0, 0.02, np.zeros((2, 1)), ("elbow",), limits=limits))
    assert isinstance(message, JointTrajectory)
    return message


def test_what_is_not_limited_is_not_said_and_a_limit_stands_in_every_row() -> None:
    message = limited()
    assert message.joint_names == ["elbow", "elbow.limit.lower", "elbow.limit.velocity"]
    assert [list(point.positions) for point in message.points] == [[0.0, -0.1, 1.5]] * 2


@pytest.mark.parametrize(
    ("name", "values", "complaint"),
    [
        ("elbow.limit.uper", (1.0, 1.0), "no limit 'elbow.limit.uper'. Did you mean 'upper'"),
        ("elbow.limit.upper", (1.0, 1.1), "'elbow.limit.upper' is not the same number in every"),
        ("elbow.limit.upper", (np.nan, np.nan), "is not the same number in every row"),
        ("elbow.limit.velocity", (0.0, 0.0), "chunk: limits: elbow: velocity 0.0 must be > 0"),
    ],
)
def test_a_limit_that_cannot_be_read_lets_no_chunk_pass(
    name: str, values: tuple[float, float], complaint: str
) -> None:
    message = limited()
    message.joint_names[2] = name
    for point, value in zip(message.points, values, strict=True):
        point.positions[2] = value
    with pytest.raises(ContractError, match=complaint):
        decode_chunk(message)


def test_a_frame_is_no_limit_and_limits_of_an_older_release_are_refused() -> None:
    message = limited()
    message.header.frame_id = "base_link"
    assert decode_chunk(message).limits == {"elbow": JointLimit(-0.1, np.inf, 1.5)}
    message.header.frame_id = 'limits {"elbow": {"upper": 1.0}}'
    with pytest.raises(ContractError, match="limits in header.frame_id are of an older release"):
        decode_chunk(message)
