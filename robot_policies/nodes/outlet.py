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


REPEAT = 0.2  # s; a goal is published when it changes, and this often for who missed it


class Outlet:
    """Publishers of one robot."""

    def __init__(self, node: GraphNode, loop: RobotLoop) -> None:
        """Announce the topics; whoever listens is then found before the first message."""
        self._node, self._loop = node, loop
        self._topics: dict[str, Any] = {}
        self._level = ""
        self._goals: dict[str, tuple[float, Any]] = {}
        for feature in (*loop.backend.provides, *(loop.task.goals if loop.task else ())):
            self._topic(feature)

    def measured(self, state: RobotState, goal: Mapping[str, np.ndarray | str]) -> None:
        """Publish a measurement and the task's goal; the joints, which are answered, last."""
        for feature, values in goal.items():
            said, before = self._goals.get(feature, (-np.inf, None))
            if state.stamp - said < REPEAT and np.array_equal(before, values):
                continue
            self._goals[feature] = state.stamp, values
            # Somebody who steers by hand has precedence over the task.
            if self._node.count_publishers(stream(feature).topic) == 1:
                self._topic(feature).publish(encode_feature(feature, values, state.stamp))
        provides = self._loop.backend.provides
        for feature, message in encode_state(self._loop.robot, state, provides).items():
            self._topic(feature).publish(message)

    def decided(self, decision: Decision) -> None:
        """Echo what was sent; a change of level is news."""
        message = encode_command(self._loop.robot, decision.sent)
        topic = "command_sent" if isinstance(message, JointState) else "base_command_sent"
        self._publisher(topic, type(message), COMMAND).publish(message)
        if decision.verdict.level != self._level:
            self._level = decision.verdict.level
            self.report()

    def report(self) -> None:
        """Say on `/diagnostics` how far the gate had to go and why, and the loop's figures."""
        if self._loop.decision is None:
            return
        verdict = self._loop.decision.verdict
        values: dict[str, Any] = {"level": verdict.level, **self._loop.report()}
        if self._loop.modes:
            values["mode"] = self._loop.modes.mode
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

    def _topic(self, feature: str) -> Any:
        carrier = stream(feature)
        # Reliable delivery serves any subscriber, but a lost image is not worth a resend.
        qos = SENSOR if carrier.message in (Image, PointCloud2) else COMMAND
        return self._publisher(carrier.topic, carrier.message, LATCHED if feature == TASK else qos)

    def _publisher(self, topic: str, message: type, qos: QoSProfile) -> Any:
        if topic not in self._topics:
            self._topics[topic] = self._node.create_publisher(message, topic, qos)
        return self._topics[topic]
