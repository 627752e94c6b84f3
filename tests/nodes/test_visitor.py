"""What asks a graph one thing and leaves, against a node that stands for the graph's."""

import os
import time
from threading import Thread

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from ros_graph import free_domain
from std_msgs.msg import String
from std_srvs.srv import Trigger

from robot_policies.cli.app import main
from robot_policies.interface import BackendError
from robot_policies.launching.network import PROFILE
from robot_policies.nodes.qos import LATCHED
from robot_policies.nodes.visitor import visit


class Robot:
    """Has a robot's services, and a policy's ear."""

    def __init__(self, context):
        self.heard = []
        self.node = rclpy.create_node("backend", namespace="/left", context=context)
        self.node.create_subscription(String, "task", self.heard.append, LATCHED)
        self.node.create_service(Trigger, "~/estop", self.stop)
        self.node.create_service(Trigger, "~/reset_estop", self.refuse)

    def stop(self, request, response):
        response.success, response.message = True, "stopped"
        return response

    def refuse(self, request, response):
        response.success, response.message = False, "stays stopped: tilt"
        return response


@pytest.fixture(scope="module")
def domain():
    return free_domain()


@pytest.fixture(scope="module")
def robot(domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    robot, executor = Robot(context), SingleThreadedExecutor(context=context)
    executor.add_node(robot.node)
    thread = Thread(target=executor.spin)
    thread.start()
    yield robot
    executor.shutdown()
    rclpy.try_shutdown(context=context)
    thread.join()


@pytest.fixture(autouse=True)
def _same_domain(domain, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def test_a_person_stops_releases_and_instructs_a_robot_from_the_command_line(robot, capsys):
    assert main(["estop", "--namespace", "/left"]) == 0
    assert main(["reset", "--namespace", "/left"]) == 1
    assert main(["say", "fold the shirt", "--namespace", "/left"]) == 0
    printed = capsys.readouterr().out
    assert "/left/backend/estop: stopped" in printed
    assert "/left/backend/reset_estop: stays stopped: tilt" in printed
    end = time.monotonic() + 5.0
    while not robot.heard and time.monotonic() < end:
        time.sleep(0.02)
    assert [message.data for message in robot.heard] == ["fold the shirt"]


@pytest.mark.usefixtures("robot")
def test_nobody_there_is_one_line_with_the_name_and_the_domain(domain):
    before = os.environ.get(PROFILE)
    with visit("caller") as visitor:
        with pytest.raises(BackendError, match=rf"nobody offers /right/x in ROS domain {domain}"):
            visitor.call(Trigger, "/right/x", Trigger.Request(), 0.3)
        with pytest.raises(BackendError, match="nobody listens to /right/task"):
            visitor.tell("/right/task", String(), 0.3)
    assert os.environ.get(PROFILE) == before
