"""Beside a driver that publishes the joints itself, the states of this graph have another name."""

from collections.abc import Iterator
from typing import Any

import pytest
import rclpy
from rclpy.node import Node
from ros_graph import free_domain

from robot_policies.catalog import load_robot, make_backend
from robot_policies.interface.observation import IMU, STATE
from robot_policies.nodes.topics import topic_of


@pytest.fixture
def ros() -> Iterator[None]:
    rclpy.init(domain_id=free_domain())
    yield
    rclpy.shutdown()


@pytest.mark.parametrize(
    ("backend", "namespace", "topic"),
    [
        ("ros2_control", "/", "robot/joint_states"),
        ("ros2_control", "/left", "joint_states"),
        ("loopback", "/", "joint_states"),
    ],
)
def test_two_publishers_never_share_a_name(
    ros: None, backend: str, namespace: str, topic: str
) -> None:
    robot: Any = make_backend(backend, load_robot("so101"))
    node = Node("backend", namespace=namespace)
    assert topic_of(node, robot, STATE) == topic
    assert topic_of(node, robot, IMU) == "imu/data"
    node.destroy_node()
