import time

import pytest
import rclpy
from lifecycle_msgs.msg import State
from ros_graph import free_domain

from robot_policies.nodes import bringup_node
from robot_policies.nodes.bringup_node import WATCH_PERIOD, BringupNode

pytestmark = pytest.mark.smoke


class Node:
    """A node that is active for a while, and counts how often it is asked."""

    def __init__(self, node, name):
        self.name, self.asked, self.end = name, 0, time.monotonic() + 3.0 * WATCH_PERIOD

    def keep(self):
        return True

    def let_go(self):
        pass

    def state(self, patience):
        self.asked += 1
        active = time.monotonic() < self.end
        return State.PRIMARY_STATE_ACTIVE if active else State.PRIMARY_STATE_INACTIVE


@pytest.fixture
def bringup(monkeypatch):
    rclpy.init(domain_id=free_domain())
    monkeypatch.setattr(bringup_node, "ManagedNode", Node)
    node = BringupNode()
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_nodes_are_asked_at_a_low_rate_however_often_this_one_is_woken(bringup, monkeypatch):
    monkeypatch.setattr(rclpy, "spin_once", lambda node, timeout_sec: None)
    bringup.watch()
    assert max(node.asked for node in bringup._nodes) <= 5
