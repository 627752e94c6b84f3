"""What the policy's node hears, with messages that come over DDS."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from ros_graph import free_domain
from sensor_msgs.msg import JointState
from toy_robot import toy_robot

from robot_policies.interface import ArraySpec, Observation, ObservationSpec
from robot_policies.interface.observation import IMU, IMU_NAMES, IMU_UNITS, STATE
from robot_policies.nodes import policy_subscriptions
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.messages import encode_feature
from robot_policies.nodes.policy_subscriptions import PolicySubscriptions
from robot_policies.nodes.qos import COMMAND
from robot_policies.nodes.streams import stream

STREAMS = {
    STATE: ArraySpec(STATE, (1,), unit="rad", names=("knee.pos",)),
    IMU: ArraySpec(IMU, (10,), unit=IMU_UNITS, names=IMU_NAMES),
}


class Stage:
    """A node that hears, and the robot that speaks."""

    def __init__(self) -> None:
        rclpy.init(domain_id=free_domain())
        self.node = GraphNode("policy", {})
        self.backend = SimpleNamespace(
            provides=STREAMS, accepts=frozenset(), spec=toy_robot({"knee": {}})
        )
        self.taken: list[Observation] = []
        self.complaints: list[str] = []
        self.subscriptions = PolicySubscriptions(
            self.node,
            ObservationSpec(STREAMS),
            self.backend,
            None,
            "/backend",
            lambda stamp: True,
            self.taken.append,
            lambda level, text: self.complaints.append(text),
        )
        self.publishers = {
            name: self.node.create_publisher(stream(name).message, stream(name).topic, COMMAND)
            for name in STREAMS
        }
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.spin(lambda: all(p.get_subscription_count() for p in self.publishers.values()))

    def spin(self, condition, seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def joints(self, stamp: float, *positions: float, names: tuple[str, ...] = ("knee",)) -> None:
        moment, values = self.node.time.to_ros(stamp), np.array(positions or (0.0,))
        message = encode_feature("observation.environment_state", values, moment)
        assert isinstance(message, JointState)
        message.name = names
        self.publishers[STATE].publish(message)

    def inertial(self, stamp: float, gyro: float = 0.0, publisher: Any = None) -> None:
        values = np.array([0.0, 0.0, 0.0, 1.0, gyro, 0.0, 0.0, 0.0, 0.0, 9.8])
        message = encode_feature(IMU, values, self.node.time.to_ros(stamp))
        (publisher or self.publishers[IMU]).publish(message)

    def other(self, name: str) -> tuple[GraphNode, Any]:
        """Return another node that publishes inertial measurements, once it is heard."""
        node = GraphNode(name, {})
        publisher = node.create_publisher(stream(IMU).message, stream(IMU).topic, COMMAND)
        self.spin(lambda: publisher.get_subscription_count())
        return node, publisher


@pytest.fixture
def stage(monkeypatch) -> Iterator[Stage]:
    # s; longer than a busy machine takes to deliver
    monkeypatch.setattr(policy_subscriptions, "PATIENCE", 0.1)
    made = Stage()
    yield made
    made.subscriptions.close()
    made.executor.shutdown()
    made.node.destroy_node()
    rclpy.shutdown()


def test_joints_wake_the_policy_and_the_newest_of_the_rest_is_read(stage):
    now = stage.node.now()
    for gyro in (1.0, 2.0):
        stage.inertial(now, gyro)
    stage.spin(lambda: stage.taken, seconds=0.05)
    assert not stage.taken
    stage.joints(now)
    stage.spin(lambda: stage.taken)
    assert stage.taken[0][IMU][4] == 2.0
    assert stage.taken[0].stamp == pytest.approx(now, abs=1e-6)


def test_joints_wait_for_the_inertial_measurement_of_their_moment(stage):
    now = stage.node.now()
    stage.inertial(now - 0.02, 1.0)
    stage.joints(now)
    stage.spin(lambda: not stage.subscriptions._look.is_canceled())
    stage.inertial(now, 2.0)
    stage.spin(lambda: stage.taken)
    assert [observation[IMU][4] for observation in stage.taken] == [2.0]


def test_a_lone_stream_is_named_after_the_wait(stage):
    stage.joints(stage.node.now())
    stage.spin(lambda: stage.complaints)
    assert stage.complaints == ["no imu yet"]
    assert not stage.taken


def test_joints_that_cannot_be_there_do_not_reach_the_policy(stage):
    now = stage.node.now()
    stage.inertial(now)
    stage.joints(now, 0.5)
    stage.spin(lambda: stage.taken)
    stage.joints(now + 0.01, 7.0)
    stage.spin(lambda: stage.complaints)
    assert stage.complaints == ["joint_states refused: joint knee measured at 7, outside [-1, 1]"]
    assert [observation[STATE].item() for observation in stage.taken] == [0.5]
    assert stage.subscriptions.figures == {"states_implausible": 1, "points_dropped": 0}


@pytest.mark.parametrize(
    ("names", "complaint"),
    [(("elbow",), "missing ['knee.pos'"), (("knee", "tail"), "unexpected ['tail.pos'")],
)
def test_a_joint_missing_or_extra_is_refused_by_name(stage, names, complaint):
    stage.joints(stage.node.now(), *[0.0] * len(names), names=names)
    stage.spin(lambda: stage.complaints)
    assert complaint in stage.complaints[0]


def test_a_second_publisher_is_named_and_refused_for_as_long_as_the_first_is_there(stage):
    now = stage.node.now()
    stage.inertial(now, 1.0)
    stage.joints(now)
    stage.spin(lambda: stage.taken)
    node, publisher = stage.other("stranger")
    try:
        for gyro in (7.0, 8.0):
            stage.inertial(now + 0.02, gyro, publisher)
        stage.spin(lambda: False, seconds=0.1)
        stage.inertial(now + 0.02, 2.0)
        stage.inertial(now + 0.02, 9.0, publisher)
        stage.joints(now + 0.02)
        stage.spin(lambda: len(stage.taken) > 1)
        refusal = "imu/data has another publisher already, '/stranger' is refused"
        stage.spin(lambda: refusal in stage.complaints)
        assert refusal in stage.complaints
        assert [observation[IMU][4] for observation in stage.taken] == [1.0, 2.0]
        stage.node.destroy_publisher(stage.publishers[IMU])
        stage.spin(lambda: stage.node.count_publishers(stream(IMU).topic) == 1)
        stage.inertial(now + 0.04, 3.0, publisher)
        stage.joints(now + 0.04)
        stage.spin(lambda: len(stage.taken) > 2)
        assert stage.taken[-1][IMU][4] == 3.0
    finally:
        node.destroy_node()


def test_the_robots_node_is_believed_although_a_stranger_spoke_first(stage):
    stage.node.destroy_publisher(stage.publishers[IMU])
    robot, publisher = stage.other("backend")
    stranger, other = stage.other("stranger")
    try:
        now = stage.node.now()
        stage.inertial(now, 9.0, other)
        stage.spin(lambda: False, seconds=0.1)
        stage.inertial(now, 1.0, publisher)
        stage.joints(now)
        stage.spin(lambda: stage.taken)
        assert [observation[IMU][4] for observation in stage.taken] == [1.0]
    finally:
        robot.destroy_node()
        stranger.destroy_node()
