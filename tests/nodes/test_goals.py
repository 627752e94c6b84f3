"""Goals over DDS, of a task and of people."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.executors import SingleThreadedExecutor
from ros_graph import free_domain

from robot_policies.data.ros_messages import Sample
from robot_policies.interface.observation import VELOCITY_COMMAND
from robot_policies.nodes import goals
from robot_policies.nodes.goals import GoalSubscription
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.messages import encode_velocity
from robot_policies.nodes.qos import COMMAND


class Speaker:
    """A node that says velocities."""

    def __init__(self, name: str) -> None:
        self.node = rclpy.create_node(name)
        self._publisher = self.node.create_publisher(TwistStamped, "cmd_vel", COMMAND)

    def say(self, forward: float, stamp: float) -> None:
        self._publisher.publish(encode_velocity(np.array([forward, 0.0, 0.0]), stamp))


class Stage:
    """A policy's node, and whoever says it a goal."""

    def __init__(self) -> None:
        self.domain = free_domain()
        rclpy.init(domain_id=self.domain)
        self.node = GraphNode("policy", {})
        self.taken: list[float] = []
        self.complaints: list[str] = []
        self.goals = GoalSubscription(
            self.node, VELOCITY_COMMAND, "cmd_vel", "/backend", self.put, self.complaints.append
        )
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.others: list[Speaker] = []

    def put(self, sample: Sample, stamp: float) -> None:
        self.taken.append(round(float(sample.values[0]), 3))

    def speaker(self, name: str) -> Speaker:
        speaker = Speaker(name)
        self.others.append(speaker)
        self.spin(speaker._publisher.get_subscription_count)
        self.spin(lambda: name in self.publishers(), 30.0)
        return speaker

    def publishers(self) -> list[str]:
        return [one.node_name for one in self.node.get_publishers_info_by_topic("cmd_vel")]

    def leaves(self, speaker: Speaker) -> None:
        self.others.remove(speaker)
        speaker.node.destroy_node()
        self.spin(lambda: len(self.publishers()) == len(self.others))

    def spin(self, condition, seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)
            self.goals.poll()

    @property
    def now(self) -> float:
        """ROS time. [s]."""
        return self.node.time.to_ros(self.node.now())

    def hears(self, *velocities: float) -> bool:
        self.spin(lambda: len(self.taken) >= len(velocities))
        taken, self.taken[:] = tuple(self.taken), []
        return taken == velocities


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.goals.close()
    stage.executor.shutdown()
    for one in stage.others:
        one.node.destroy_node()
    stage.node.destroy_node()
    rclpy.shutdown()


def test_a_person_has_precedence_over_the_task_for_as_long_as_there_is_one(stage: Stage) -> None:
    task, person = stage.speaker("backend"), stage.speaker("person")
    task.say(0.1, stage.now)
    assert stage.hears(0.1)  # a person who says nothing has none
    person.say(0.2, stage.now)
    assert stage.hears(0.2)
    task.say(0.3, stage.now)
    person.say(0.4, stage.now)
    assert stage.hears(0.4)
    stage.leaves(person)
    task.say(0.5, stage.now)
    assert stage.hears(0.5)


def test_a_refused_goal_gives_nobody_precedence_and_displaces_no_other(stage: Stage) -> None:
    task, stranger = stage.speaker("backend"), stage.speaker("stranger")
    for k in range(100):
        stranger.say(9.0, stage.now + 5.0)
        if k == 10:
            task.say(0.1, stage.now)
    assert stage.hears(0.1)
    task.say(0.2, stage.now)
    assert stage.hears(0.2)
    assert stage.complaints
    for text in stage.complaints:
        assert text.startswith("cmd_vel of /stranger refused: stamped")


def test_a_velocity_without_a_stamp_is_refused(stage: Stage) -> None:
    person = stage.speaker("person")
    person.say(0.1, 0.0)
    stage.spin(lambda: stage.complaints)
    assert stage.complaints == [
        "cmd_vel of /person refused: header.stamp is 0, so nothing says how old it is"
    ]
    assert not stage.taken


def test_a_publisher_of_another_type_is_named_once_and_has_no_precedence(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(goals, "LOOK", 0.0)
    task, elsewhere = stage.speaker("backend"), rclpy.Context()
    rclpy.init(context=elsewhere, domain_id=stage.domain)
    joystick = rclpy.create_node("joystick", context=elsewhere)
    try:
        joystick.create_publisher(Twist, "cmd_vel", COMMAND)
        stage.spin(lambda: stage.complaints, 30.0)
        task.say(0.1, stage.now)
        assert stage.hears(0.1)
    finally:
        joystick.destroy_node()
        rclpy.shutdown(context=elsewhere)
    types = "geometry_msgs/msg/Twist, not geometry_msgs/msg/TwistStamped"
    assert stage.complaints == [f"/cmd_vel of /joystick cannot be heard: it is a {types}"]
