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
from robot_policies.nodes.chunk_intake import ChunkIntake, Unfit
from robot_policies.nodes.chunks import encode_chunk
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.lifetime import leave
from robot_policies.nodes.qos import CHUNKS
from robot_policies.policies.catalog import action_spec_of

ROBOT = load_robot("so101")
ACTION = action_spec_of("hold", ROBOT)


class Stage:
    """A node that takes chunks, and publishers that make them."""

    def __init__(self) -> None:
        self.domain = free_domain()
        rclpy.init(domain_id=self.domain)
        self.node = GraphNode("backend", {})
        self.taken: list[ActionChunk] = []
        self.refused: list[str] = []
        self.reasons: list[Unfit] = []
        self.intake = ChunkIntake(self.node, ACTION, "/policy", self.taken.append, self.refuse)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.others: list = []

    def refuse(self, reason: Unfit, text: str) -> None:
        self.reasons.append(reason)
        self.refused.append(text)

    def publisher(self, name: str, namespace: str = ""):
        context = rclpy.Context()  # of a process of its own: two nodes may have one name then
        rclpy.init(context=context, domain_id=self.domain)
        node = rclpy.create_node(name, namespace=namespace, context=context)
        publisher = node.create_publisher(JointTrajectory, "/action_chunk", CHUNKS)
        self.others.append(node)
        self.spin(publisher.get_subscription_count)
        # A publisher is found before the name of its node is.
        names = sorted(node.get_name() for node in self.others)
        self.spin(lambda: sorted(self.publishers()) == names, 30.0)
        return publisher

    def publishers(self) -> list[str]:
        return [one.node_name for one in self.node.get_publishers_info_by_topic("/action_chunk")]

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
    for node in stage.others:
        leave(node)
    stage.node.destroy_node()
    rclpy.shutdown()


def chunk(rows: int = 1) -> JointTrajectory:
    values = np.tile(ROBOT.default, (rows, 1))
    message = encode_chunk(ActionChunk(1.0, ACTION.dt, values, ROBOT.joint_names))
    assert isinstance(message, JointTrajectory)
    return message


@pytest.mark.parametrize(
    ("name", "namespace"), [("stranger", ""), ("policy", "other")], ids=["name", "namespace"]
)
def test_a_stranger_is_refused_although_it_speaks_before_the_policy(
    stage: Stage, name: str, namespace: str
) -> None:
    stranger = stage.publisher(name, namespace)
    stranger.publish(chunk())
    stage.spin(lambda: stage.refused)
    policy = stage.publisher("policy")
    for _ in range(2):
        policy.publish(chunk())
    stage.spin(lambda: len(stage.taken) == 2)
    stranger.publish(chunk())
    stage.spin(lambda: len(stage.refused) == 2)
    full = f"/{namespace}/{name}".replace("//", "/")
    line = f"/action_chunk is for node '/policy' alone, '{full}' is refused"
    assert stage.refused == [line, line]
    assert stage.reasons == [Unfit.STRANGER, Unfit.STRANGER]
    assert len(stage.taken) == 2


def test_a_second_node_of_the_name_is_refused_until_the_first_has_left(stage: Stage) -> None:
    first = stage.publisher("policy")
    first.publish(chunk())
    stage.spin(lambda: stage.taken)
    second = stage.publisher("policy")
    second.publish(chunk())
    stage.spin(lambda: stage.refused)
    assert stage.refused == [
        "/action_chunk is for node '/policy' alone, a second one of that name is refused"
    ]
    first.publish(chunk())
    stage.spin(lambda: len(stage.taken) == 2)
    assert len(stage.taken) == 2

    leave(stage.others.pop(0))
    stage.spin(lambda: len(stage.publishers()) == 1)
    second.publish(chunk())
    stage.spin(lambda: len(stage.taken) == 3)
    assert len(stage.taken) == 3


@pytest.mark.parametrize(
    ("message", "reason", "said"),
    [
        (b"\0\1\0\0" + b"\xff" * 40, Unfit.UNREADABLE, "44 bytes that are no JointTrajectory"),
        (chunk(5000), Unfit.TOO_LARGE, "bytes, the policy's chunks have"),
        (JointTrajectory(), Unfit.MALFORMED, "first row due"),
    ],
    ids=["garbage", "too large", "empty"],
)
def test_what_is_no_chunk_is_refused_with_one_line(
    stage: Stage, message: JointTrajectory | bytes, reason: Unfit, said: str
) -> None:
    policy = stage.publisher("policy")
    policy.publish(message)
    stage.spin(lambda: stage.refused)
    (line,) = stage.refused
    assert stage.reasons == [reason], line
    assert said in line
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


def test_a_flood_costs_one_look_at_the_publishers_in_a_slot(stage: Stage, monkeypatch) -> None:
    stranger = stage.publisher("stranger")
    looks, slots = [], []
    look, next_slot = stage.node.get_publishers_info_by_topic, stage.intake.next_slot
    monkeypatch.setattr(
        stage.node, "get_publishers_info_by_topic", lambda topic: looks.append(1) or look(topic)
    )
    monkeypatch.setattr(stage.intake, "next_slot", lambda: slots.append(1) or next_slot())
    for _ in range(100):
        stranger.publish(chunk())
    stage.spin(lambda: len(stage.refused) == 100)
    assert len(stage.refused) == 100
    assert 1 <= len(looks) <= len(slots)
