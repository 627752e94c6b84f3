"""A stranger on another host, and two graphs."""

import json
import os
import subprocess
import sys

import pytest
from other_host import HERE, THERE, other_host
from ros_graph import Graph
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from robot_policies.launching.network import FAST_DDS, PEERS, PROFILE, graph_environment, reach

HOLD = ("policy:=hold", "robot:=go1", "backend:=loopback", "task:=none")
STRANGER = """
import json, sys, rclpy
from std_srvs.srv import Trigger

def call(domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("stranger", context=context)
    client = node.create_client(Trigger, "/backend/estop")
    if not client.wait_for_service(timeout_sec=8.0):
        return None
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    future = client.call_async(Trigger.Request())
    executor.spin_until_future_complete(future, timeout_sec=8.0)
    return future.result() and future.result().message

print(json.dumps([call(int(domain)) for domain in sys.argv[1:]]))
"""


@pytest.fixture
def there():
    """Return the command that runs a program on the other host."""
    with other_host() as (command, _):
        yield command


def test_a_stranger_calls_a_graph_only_where_the_network_was_named(there):
    with Graph(*HOLD) as closed, Graph(*HOLD, f"network:={THERE}") as named:
        for graph in (closed, named):
            commands = graph.listen(JointState, "command_sent")
            assert graph.wait(lambda heard=commands: len(heard) > 5, 60.0)
        domains = [str(graph.domain) for graph in (named, closed)]
        stranger = subprocess.run(
            [*there, sys.executable, "-c", STRANGER, *domains],
            env={**os.environ, PEERS: HERE},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert json.loads(stranger.stdout) == ["stopped", None]
        assert closed.call(Trigger, "/backend/estop").message == "stopped"  # from this host
        (_, quiet), (_, warned) = closed.end(), named.end()
    assert "can be called by" not in quiet
    assert f"can be called by every host that can send to this one; the peers {THERE}" in warned


def test_the_launch_file_lets_in_whom_its_argument_names(monkeypatch):
    monkeypatch.delenv(PROFILE, raising=False)
    monkeypatch.delenv(PEERS, raising=False)
    assert reach(graph_environment(), FAST_DDS).text == "this host only"
    assert reach(graph_environment(""), FAST_DDS).local
    assert not reach(graph_environment("open"), FAST_DDS).local
    assert graph_environment("10.0.0.5;10.0.0.6")[PEERS] == "10.0.0.5;10.0.0.6"
    assert PEERS not in graph_environment("open")


def test_a_profile_of_the_user_and_another_middleware_have_precedence(monkeypatch):
    assert not reach({}).local
    assert not reach(graph_environment(), "rmw_cyclonedds_cpp").local
    monkeypatch.setenv(PROFILE, "/etc/mine.xml")
    assert graph_environment()[PROFILE] == "/etc/mine.xml"
    assert reach(graph_environment()).text == "other hosts, as /etc/mine.xml lets them in"
