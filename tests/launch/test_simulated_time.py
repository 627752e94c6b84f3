"""A robot with a ROS 2 driver in a simulator that publishes `/clock`."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import rclpy
from fake_controller import FakeController
from rclpy.lifecycle import TransitionCallbackReturn
from ros_graph import free_domain
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from robot_policies.catalog import load_robot
from robot_policies.nodes.backend_node import BackendNode
from robot_policies.nodes.decoding import to_seconds
from robot_policies.nodes.messages import to_time

ROBOT = load_robot("so101")
SPEED = 0.8  # s per s; the simulator is slower than the world


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeController]:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    controller = FakeController(ROBOT.joint_names)
    controller.position = dict(zip(ROBOT.joint_names, ROBOT.default.tolist(), strict=True))
    begin = time.monotonic()
    controller.clock = lambda: 100.0 + SPEED * (time.monotonic() - begin)
    publisher = controller.node.create_publisher(Clock, "/clock", 10)
    controller.node.create_timer(
        0.004, lambda: publisher.publish(Clock(clock=to_time(controller.clock())))
    )
    yield controller
    controller.close()


@pytest.fixture
def nodes(simulator: FakeController) -> Iterator[None]:
    settings = {"policy": "hold", "robot": "so101", "task": "none", "backend": "ros2_control"}
    words = [w for name, value in settings.items() for w in ("-p", f"{name}:={value}")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"robot_policies.nodes.{name}_node"]
            + ["--ros-args", "-p", "use_sim_time:=true", *(() if name == "bringup" else words)]
        )
        for name in ("backend", "policy", "bringup")
    ]
    yield
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        process.wait(20.0)


@pytest.mark.usefixtures("nodes")
def test_the_policy_is_followed_in_simulated_time_also_once_it_was_set_back(
    simulator: FakeController,
) -> None:
    sent: list[JointState] = []
    simulator.node.create_subscription(JointState, "command_sent", sent.append, 100)
    end = time.monotonic() + 60.0
    while [m.header.frame_id for m in sent].count("policy") < 120 and time.monotonic() < end:
        time.sleep(0.05)
    assert abs(to_seconds(sent[-1].header.stamp) - simulator.clock()) < 0.5
    assert [m.header.frame_id for m in sent[-60:]].count("policy") > 50
    assert simulator.commands

    earlier = simulator.clock
    simulator.clock = lambda: earlier() - 60.0
    time.sleep(2.0)
    sent.clear()
    time.sleep(3.0)
    assert abs(to_seconds(sent[-1].header.stamp) - simulator.clock()) < 0.5
    assert [m.header.frame_id for m in sent].count("policy") > 50


def test_simulated_time_is_for_a_robot_in_a_simulator_only(capfd: pytest.CaptureFixture) -> None:
    arguments = ["--ros-args", "-p", "use_sim_time:=true", "-p", "robot:=go1"]
    rclpy.init(args=arguments, domain_id=free_domain())
    try:
        node = BackendNode()
        assert node.trigger_configure() is not TransitionCallbackReturn.SUCCESS
        node.destroy_node()
    finally:
        rclpy.shutdown()
    said = capfd.readouterr().err
    assert "use_sim_time is for backend 'ros2_control' only: 'mujoco' has" in said
