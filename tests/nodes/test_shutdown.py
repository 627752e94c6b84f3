"""The lifecycle transition `shutdown`, from any state: nothing is commanded afterwards."""

import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from ros_graph import free_domain

from robot_policies.nodes.backend_node import BackendNode
from robot_policies.nodes.policy_node import PolicyNode

SETTINGS = {"policy": "hold", "robot": "go1", "backend": "loopback"}
TOPICS = {BackendNode: "command_sent", PolicyNode: "action_chunk"}


@pytest.fixture
def _domain(monkeypatch) -> Iterator[None]:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    words = [word for name, value in SETTINGS.items() for word in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", *words], domain_id=free_domain())
    yield
    rclpy.try_shutdown()


@pytest.mark.usefixtures("_domain")
@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("kind", TOPICS)
def test_a_node_that_is_shut_down_commands_nothing_more(kind, active):
    node, executor = kind(), SingleThreadedExecutor()
    executor.add_node(node)
    assert node.trigger_configure() is TransitionCallbackReturn.SUCCESS
    if active:
        assert node.trigger_activate() is TransitionCallbackReturn.SUCCESS
        executor.spin_once(timeout_sec=0.1)
    assert node.count_publishers(TOPICS[kind]) == 1
    assert node.trigger_shutdown() is TransitionCallbackReturn.SUCCESS
    end = time.monotonic() + 10.0
    while node.count_publishers(TOPICS[kind]) and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    assert node.count_publishers(TOPICS[kind]) == 0
    executor.remove_node(node)
    node.destroy_node()
