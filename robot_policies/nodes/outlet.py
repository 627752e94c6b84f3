"""What the robot's node says: streams, goals, the command that was sent, and how it is doing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState, PointCloud2

from robot_policies.interface import RobotState
from robot_policies.interface.observation import TASK
from robot_policies.nodes.chunks import encode_command
from robot_policies.nodes.graph_node import COMMAND, ERROR, LATCHED, OK, SENSOR, WARN, GraphNode
from robot_policies.nodes.messages import encode_feature, encode_state, stream
from robot_policies.nodes.robot_loop import Decision, RobotLoop

LEVELS = {"pass": OK, "hold": WARN, "damp": ERROR, "estop": ERROR}


class Outlet:
    """Publishers of one robot, made when something is first said."""

    def __init__(self, node: GraphNode, loop: RobotLoop) -> None:
        """Speak through a node."""
        self._node, self._loop = node, loop
        self._topics: dict[str, Any] = {}
        self._level = ""

    def measured(self, state: RobotState, goal: Mapping[str, np.ndarray | str]) -> None:
        """Publish a measurement and the task's goal; the joints, which are answered, last."""
        for feature, values in goal.items():
            topic = stream(feature).topic
            # Somebody who steers by hand has precedence over the task.
            if self._node.count_publishers(topic) == (topic in self._topics):
                qos = LATCHED if feature == TASK else COMMAND
                self._say(topic, encode_feature(feature, values, state.stamp), qos)
        for feature, message in encode_state(self._loop.robot, state).items():
            # Reliable delivery serves any subscriber, but a lost image is not worth a resend.
            qos = SENSOR if isinstance(message, Image | PointCloud2) else COMMAND
            self._say(stream(feature).topic, message, qos)

    def decided(self, decision: Decision) -> None:
        """Echo what was sent; a change of level is news."""
        message = encode_command(self._loop.robot, decision.sent)
        topic = "command_sent" if isinstance(message, JointState) else "base_command_sent"
        self._say(topic, message, COMMAND)
        if decision.verdict.level != self._level:
            self._level = decision.verdict.level
            self.report()

    def report(self) -> None:
        """Say on `/diagnostics` how far the gate had to go and why, and the loop's figures."""
        if self._loop.decision is None:
            return
        verdict = self._loop.decision.verdict
        values: dict[str, Any] = {"level": verdict.level, **self._loop.report()}
        text = "following the policy"
        if refusal := verdict.refusal:
            text = refusal.text
            for key in ("cause", "joint", "value", "limit", "margin"):
                values[key] = getattr(refusal, key)
        self._node.diagnose(LEVELS[verdict.level], f"{verdict.level}: {text}", values)

    def close(self) -> None:
        """Withdraw the publishers."""
        for publisher in self._topics.values():
            self._node.destroy_publisher(publisher)
        self._topics = {}

    def _say(self, topic: str, message: Any, qos: QoSProfile) -> None:
        if topic not in self._topics:
            self._topics[topic] = self._node.create_publisher(type(message), topic, qos)
        self._topics[topic].publish(message)
