"""The person's node against a node that stands for the robot's."""

import time
from collections.abc import Iterator

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import TwistStamped
from rclpy.executors import SingleThreadedExecutor
from ros_graph import free_domain
from sensor_msgs.msg import Joy
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from robot_policies.nodes import operator_node
from robot_policies.nodes.keyboard import Screen
from robot_policies.nodes.operator_node import OperatorNode


class Stage:
    """Both nodes in one executor."""

    def __init__(self, context: rclpy.Context) -> None:
        self.told: list[str] = []
        self.asked: list[str] = []
        self.velocities: list[tuple[float, TwistStamped]] = []
        self.beats: list[float] = []
        self.operator = OperatorNode(told=self.told.append, context=context)
        self.robot = rclpy.create_node("backend", context=context)
        for wish in self.operator.teleop.settings.buttons:
            self.robot.create_service(
                Trigger, f"~/{wish}", lambda q, r, wish=wish: self._answer(wish, r)
            )
        self.joy = self.robot.create_publisher(Joy, "joy", 1)
        self.navigation = self.robot.create_publisher(TwistStamped, "cmd_vel_in", 1)
        self.robot.create_subscription(
            TwistStamped, "cmd_vel", lambda m: self.velocities.append((time.monotonic(), m)), 1
        )
        self.robot.create_subscription(
            Empty, "heartbeat", lambda m: self.beats.append(time.monotonic()), 1
        )
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.operator)
        self.executor.add_node(self.robot)

    def _answer(self, wish: str, response: Trigger.Response) -> Trigger.Response:
        self.asked.append(wish)
        response.success, response.message = True, "as you wish"
        return response

    def until(self, condition, seconds: float = 10.0) -> bool:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)
        return bool(condition())

    def stick(self, forward: float = 0.0, pressed: int = -1) -> None:
        axes, buttons = [0.0, forward, 0.0, 0.0], [int(i == pressed) for i in range(8)]
        self.joy.publish(Joy(axes=axes, buttons=buttons))

    def forward(self) -> float:
        return self.velocities[-1][1].twist.linear.x if self.velocities else 0.0


@pytest.fixture
def stage(monkeypatch) -> Iterator[Stage]:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=free_domain())
    stage = Stage(context)
    assert stage.until(lambda: stage.velocities and stage.beats)
    assert stage.until(stage.operator._wishes["estop"].service_is_ready)
    yield stage
    stage.executor.shutdown()
    rclpy.try_shutdown(context=context)


def test_sticks_buttons_and_navigation_reach_the_robot_and_silence_is_zero(stage):
    command = TwistStamped()
    command.twist.linear.x = 0.3
    stage.navigation.publish(command)
    assert stage.until(lambda: stage.forward() == pytest.approx(0.3))
    assert stage.until(lambda: stage.forward() == 0.0, 2.0), "navigation fell silent"

    stage.stick(1.0)
    assert stage.until(lambda: stage.forward() == pytest.approx(0.8))
    stage.stick(0.0, pressed=1)
    assert stage.until(lambda: stage.asked == ["estop"])
    assert stage.until(lambda: stage.told == ["estop: as you wish"])
    assert stage.until(lambda: stage.forward() == 0.0)


def test_what_the_robot_says_of_itself_is_known_and_its_silence_too(stage, monkeypatch):
    assert stage.operator.status == "waiting for 'backend', which has the robot"
    publisher = stage.robot.create_publisher(DiagnosticArray, "/diagnostics", 1)

    def say(name: str, **values: str) -> None:
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        publisher.publish(DiagnosticArray(status=[DiagnosticStatus(name=name, values=pairs)]))

    assert stage.until(lambda: publisher.get_subscription_count() > 0)
    say("left/backend", level="estop", mode="estop")
    say("backend", level="pass", mode="stand")
    assert stage.until(lambda: stage.operator.status == "mode stand, safety pass")
    say("backend", level="hold")
    assert stage.until(lambda: stage.operator.status == "safety hold")
    monkeypatch.setattr(operator_node, "SILENCE", 0.0)
    assert stage.operator.status == "'backend' has been silent for 0 s"


def test_a_key_that_nobody_can_answer_is_answered_with_what_is_awaited(stage):
    stage.robot.destroy_node()
    assert stage.until(lambda: not stage.operator._wishes["stand"].service_is_ready())
    stage.operator.wish("stand")
    assert stage.told == ["stand: waiting for 'backend', which has the robot"]


def test_the_state_stays_below_what_is_told(capsys):
    screen = Screen()
    screen.show("mode stand")
    screen.show("mode stand")
    screen.tell("walk: policy")
    screen.show("mode policy")
    lines = capsys.readouterr().out.replace("\x1b[K", "").split("\n")
    assert lines == ["\rmode stand\rwalk: policy", "mode stand\rmode policy"]


def test_the_heartbeat_ends_with_a_joystick_that_falls_silent(stage):
    stage.stick()
    last = time.monotonic()
    stage.until(lambda: False, 1.2)
    assert 0.3 < stage.beats[-1] - last < 0.8
