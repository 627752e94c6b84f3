"""Two bare processes of rclpy: what the messages of a control step take by themselves.

`python -m robot_policies.nodes.floor_probe ROBOT ROWS COUNT` sends what a robot measures at its
control rate. A second process, which the first one starts, answers each joint state with a chunk
of so many rows. Types, sizes and quality of service are those of the nodes, and each message is
made once. It prints one JSON line: the delays from the first message to the answer. [s].
"""

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Imu, JointState
from trajectory_msgs.msg import JointTrajectory

from robot_policies.catalog import load_robot
from robot_policies.data.ros_messages import to_seconds
from robot_policies.interface import ActionChunk, ActionKind, RobotSpec, RobotState
from robot_policies.interface.observation import IMU, STATE
from robot_policies.nodes.chunks import encode_chunk
from robot_policies.nodes.message_fields import to_time
from robot_policies.nodes.messages import encode_state
from robot_policies.nodes.qos import CHUNKS, COMMAND, SENSOR
from robot_policies.nodes.streams import stream

CHUNK = "action_chunk"
PATIENCE = 10.0  # s; for the other process to appear
SILENCE = 1.0  # s; after which no message is expected any more
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0, *np.zeros(6)])  # of the inertial unit


def answer(robot: RobotSpec, rows: int) -> None:
    """Answer joint states until none comes any more."""
    rclpy.init()
    node, last = Node("floor_policy"), [time.monotonic() + PATIENCE]
    values = np.tile(robot.default, (rows, 1))
    dt, names = 1.0 / robot.control_rate, robot.joint_names
    chunk = encode_chunk(ActionChunk(0.0, dt, values, names, ActionKind.JOINT_POSITION))
    publisher: Any = node.create_publisher(type(chunk), CHUNK, CHUNKS)

    def reply(message: JointState) -> None:
        chunk.header.stamp = message.header.stamp
        publisher.publish(chunk)
        last[0] = time.monotonic() + SILENCE

    if robot.imu_link:
        node.create_subscription(Imu, stream(IMU).topic, lambda message: None, SENSOR)
    node.create_subscription(JointState, stream(STATE).topic, reply, SENSOR)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while time.monotonic() < last[0]:
        executor.spin_once(timeout_sec=0.1)
    rclpy.shutdown()


def ask(robot: RobotSpec, count: int) -> list[float]:
    """Send what the robot measures and return the delays of the answers. [s]."""
    rclpy.init()
    node, delays = Node("floor_robot"), []
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    messages = encode_state(robot, _at_rest(robot), robot.streams)
    publishers = {
        name: node.create_publisher(type(message), stream(name).topic, COMMAND)
        for name, message in messages.items()
    }
    left = count

    def send() -> None:
        nonlocal left
        stamp = to_time(time.monotonic())
        for name, message in messages.items():
            message.header.stamp = stamp
            publishers[name].publish(message)
        left -= 1

    def take(message: JointTrajectory) -> None:
        delays.append(time.monotonic() - to_seconds(message.header.stamp))

    node.create_subscription(JointTrajectory, CHUNK, take, CHUNKS)
    end = time.monotonic() + PATIENCE
    while not (node.count_publishers(CHUNK) and node.count_subscribers(stream(STATE).topic)):
        if time.monotonic() > end:
            sys.exit("the process that answers does not appear")
        executor.spin_once(timeout_sec=0.05)
    time.sleep(0.5)  # the other side of discovery
    clock = Clock(clock_type=ClockType.STEADY_TIME)
    timer = node.create_timer(1.0 / robot.control_rate, send, clock=clock)
    while left > 0:
        executor.spin_once(timeout_sec=0.1)
    timer.cancel()
    end = time.monotonic() + SILENCE
    while len(delays) < count and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    rclpy.shutdown()
    return delays


def _at_rest(robot: RobotSpec) -> RobotState:
    still = np.zeros_like(robot.default)
    features = {IMU: UPRIGHT} if robot.imu_link else {}
    return RobotState(0.0, robot.default, still, still, features=features)


def main() -> None:
    """Ask, or answer where the one that asks has started this process."""
    robot, rows = load_robot(sys.argv[1]), sys.argv[2]
    if sys.argv[4:] == ["answer"]:
        answer(robot, int(rows))
        return
    words = (*sys.argv[1:4], "answer")
    command = (sys.executable, "-P", "-m", "robot_policies.nodes.floor_probe", *words)
    with subprocess.Popen(command):
        print(json.dumps(ask(robot, int(sys.argv[3]))))


if __name__ == "__main__":
    main()
