"""Chunks over DDS, from the policy and from others."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from ros_graph import free_domain
from trajectory_msgs.msg import JointTrajectory

from robot_policies.catalog import load_robot
from robot_policies.interface import ActionChunk
from robot_policies.nodes.chunk_intake import ChunkIntake
from robot_policies.nodes.chunks import encode_chunk
from robot_policies.nodes.graph_node import CHUNKS, GraphNode
from robot_policies.policies.catalog import action_spec_of

ROBOT = load_robot("so101")
ACTION = action_spec_of("hold", ROBOT)


class Stage:
    """A node that takes chunks, and publishers that make them."""

    def __init__(self) -> None:
        rclpy.init(domain_id=free_domain())
        self.node = GraphNode("backend", {})
        self.taken: list[ActionChunk] = []
        self.refused: list[str] = []
        self.intake = ChunkIntake(self.node, ACTION, self.taken.append, self.refused.append)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.others: list = []

    def publisher(self, name: str):
        node = rclpy.create_node(name)
        publisher = node.create_publisher(JointTrajectory, "action_chunk", CHUNKS)
        self.others.append(node)
        self.spin(publisher.get_subscription_count)
        self.spin(lambda: name in str(self.node.get_publishers_info_by_topic("action_chunk")))
        return publisher

    def spin(self, condition, seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.intake.next_slot()
            self.executor.spin_once(timeout_sec=0.02)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.executor.shutdown()
    for node in (*stage.others, stage.node):
        node.destroy_node()
    rclpy.shutdown()


def chunk(rows: int = 1) -> JointTrajectory:
    values = np.tile(ROBOT.default, (rows, 1))
    return encode_chunk(ActionChunk(1.0, ACTION.dt, values, ROBOT.joint_names))


def test_who_speaks_first_is_believed_until_it_leaves(stage: Stage) -> None:
    policy = stage.publisher("policy")
    policy.publish(chunk())
    stage.spin(lambda: stage.taken)
    stranger = stage.publisher("stranger")
    stranger.publish(chunk())
    stage.spin(lambda: stage.refused)
    assert stage.refused == ["/action_chunk may have one publisher, '/stranger' is refused"]
    policy.publish(chunk())
    stage.spin(lambda: len(stage.taken) == 2)
    assert len(stage.taken) == 2

    stage.others.pop(0).destroy_node()
    stage.spin(lambda: stage.node.count_publishers("action_chunk") == 1)
    stranger.publish(chunk())
    stage.spin(lambda: len(stage.taken) == 3)
    assert len(stage.taken) == 3


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\0\1\0\0" + b"\xff" * 40, "44 bytes that are no JointTrajectory"),
        (chunk(5000), "bytes, the policy's chunks have"),
        (JointTrajectory(), "first row due"),
    ],
    ids=["garbage", "too large", "empty"],
)
def test_what_is_no_chunk_is_refused_with_one_line(
    stage: Stage, message: JointTrajectory | bytes, reason: str
) -> None:
    policy = stage.publisher("policy")
    policy.publish(message)
    stage.spin(lambda: stage.refused)
    (line,) = stage.refused
    assert reason in line
    assert "\n" not in line
    policy.publish(chunk())
    stage.spin(lambda: stage.taken)
    assert len(stage.taken) == 1


def test_a_flood_displaces_no_chunk(stage: Stage) -> None:
    policy, stranger = stage.publisher("policy"), stage.publisher("stranger")
    policy.publish(chunk())
    stage.spin(lambda: stage.taken)
    for k in range(40):  # 2000 a second, in a slot of 20 ms
        stranger.publish(chunk())
        if k == 0:
            policy.publish(chunk())
    stage.spin(lambda: len(stage.refused) == 40)
    assert len(stage.taken) == 2
