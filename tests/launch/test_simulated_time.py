"""A robot in a simulator that publishes `/clock`."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rclpy
import reaching_policy
from rclpy.lifecycle import TransitionCallbackReturn
from ros_graph import Graph, free_domain, mode_of
from sensor_msgs.msg import JointState
from world_clock import WorldClock

from robot_policies.catalog import load_robot
from robot_policies.data.ros_messages import to_seconds
from robot_policies.nodes import node_time
from robot_policies.nodes.backend_node import BackendNode
from robot_policies.nodes.bringup_node import SILENCE
from robot_policies_hardware.emulators.ros2_control import EmulatedRos2Control

pytestmark = pytest.mark.smoke

ROBOT = load_robot("so101")
SUCCESS = TransitionCallbackReturn.SUCCESS
SPEED = 0.8  # s per s; the simulator is slower than the world


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    number = free_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    return number


@pytest.fixture
def simulator(domain: int) -> Iterator[EmulatedRos2Control]:
    clock = WorldClock(SPEED)
    controller = EmulatedRos2Control(
        dict(zip(ROBOT.joint_names, ROBOT.default.tolist(), strict=True)), clock=clock
    )
    clock.begin(controller.node)
    yield controller
    clock.close()
    controller.close()


SIMULATED = ("policy:=hold", "robot:=so101", "backend:=ros2_control", "use_sim_time:=true")


def test_the_policy_is_followed_in_simulated_time_also_once_it_was_set_back(
    simulator: EmulatedRos2Control, domain: int
) -> None:
    with Graph(*SIMULATED, domain=domain):
        check(simulator)


def check(simulator: EmulatedRos2Control) -> None:
    sent: list[JointState] = []
    simulator.node.create_subscription(JointState, "command_sent", sent.append, 100)
    end = time.monotonic() + 60.0
    while [mode_of(m) for m in sent].count("policy") < 120 and time.monotonic() < end:
        time.sleep(0.05)
    assert abs(to_seconds(sent[-1].header.stamp) - simulator.clock()) < 0.5
    assert [mode_of(m) for m in sent[-60:]].count("policy") > 50
    assert simulator.commands

    simulator.clock.set(simulator.clock() - 60.0, SPEED)
    time.sleep(2.0)
    sent.clear()
    time.sleep(3.0)
    assert abs(to_seconds(sent[-1].header.stamp) - simulator.clock()) < 0.5
    assert [mode_of(m) for m in sent].count("policy") > 50


REACHING = f"""<launch>
  <node pkg="robot_policies" exec="backend_node" name="backend">
    <param name="robot" value="so101"/> <param name="backend" value="ros2_control"/>
    <param name="use_sim_time" value="true"/>
  </node>
  <executable cmd="{sys.executable} {reaching_policy.__file__} --ros-args -r __node:=policy
    -p robot:=so101 -p backend:=ros2_control -p use_sim_time:=true"/>
  <node pkg="robot_policies" exec="bringup_node" name="bringup" on_exit="shutdown"/>
</launch>
"""


def test_an_arm_reaches_at_its_speed_in_simulated_time_slow_and_fast_and_after_a_reset(
    simulator: EmulatedRos2Control, domain: int, tmp_path: Path
) -> None:
    file, clock, joints = tmp_path / "reach.launch.xml", simulator.clock, simulator.joints
    file.write_text(REACHING)
    clock.set(clock(), 0.5)
    with Graph(file=str(file), domain=domain) as graph:
        sent = graph.listen(JointState, "command_sent", 100)
        assert graph.wait(lambda: "policy" in [mode_of(m) for _, m in sent], 60.0)
        for now, rate in ((clock(), 0.5), (5.0, 2.0)):
            clock.set(now, rate)
            assert graph.wait(lambda now=now: clock() > now + 0.5)
            seen = []
            while len(seen) < 8:
                seen.append([clock(), joints.position[ROBOT.joint_names[0]]])
                graph.wait(lambda: False, 0.25 / rate)
            time_passed, way = np.diff(seen, axis=0).T
            # A pause of the machine slows one of these quarters of a second, not most of them.
            assert np.median(way / time_passed) == pytest.approx(reaching_policy.SPEED, rel=0.2)
        goal = reaching_policy.goal_of(ROBOT)

        def error() -> float:
            return np.abs([joints.position[name] for name in ROBOT.joint_names] - goal).max()

        assert graph.wait(lambda: error() < 1e-3), error()
        status, errors = graph.end()
    assert status == 0, errors
    assert not joints.rejected


def test_a_robot_that_is_not_there_follows_a_clock_that_is_paused_and_reset() -> None:
    with Graph("policy:=hold", "robot:=so101", "backend:=loopback", "use_sim_time:=true") as graph:
        with closing(WorldClock()) as clock:
            clock.begin(graph.node)
            watch(graph, clock)
        status, errors = graph.end()  # the clock stands still
    assert status == 0, errors


def watch(graph: Graph, clock: WorldClock) -> None:
    sent = graph.listen(JointState, "command_sent", 100)

    def follows(count: int) -> bool:
        return [mode_of(message) for _, message in sent].count("policy") > count

    assert graph.wait(lambda: follows(60), 60.0)
    clock.set(clock(), 0.0)
    graph.wait(lambda: False, 0.5)
    sent.clear()
    graph.wait(lambda: False, SILENCE + 1.0)
    assert not sent
    assert graph.process.poll() is None

    for now, rate in ((clock(), 2.0), (0.0, 0.5)):
        clock.set(now, rate)
        graph.wait(lambda: False, 0.5)
        sent.clear()
        assert graph.wait(lambda: follows(60), 20.0)
        assert abs(to_seconds(sent[-1][1].header.stamp) - clock()) < 0.5


def test_a_clock_that_nobody_publishes_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(node_time, "PATIENCE", 0.1)
    assert configure("backend:=ros2_control", "robot:=so101") is not SUCCESS
    assert "use_sim_time: nobody has published a time on /clock for" in capfd.readouterr().err


def test_simulated_time_is_for_a_robot_in_a_simulator_only(capfd: pytest.CaptureFixture) -> None:
    assert configure("robot:=go1") is not SUCCESS
    said = capfd.readouterr().err
    assert "use_sim_time is for backends 'loopback' and 'ros2_control' only: 'mujoco' has" in said


def configure(*settings: str) -> TransitionCallbackReturn:
    words = [word for setting in ("use_sim_time:=true", *settings) for word in ("-p", setting)]
    rclpy.init(args=["--ros-args", *words], domain_id=free_domain())
    try:
        node = BackendNode()
        answer = node.trigger_configure()
        node.destroy_node()
    finally:
        rclpy.shutdown()
    return answer
