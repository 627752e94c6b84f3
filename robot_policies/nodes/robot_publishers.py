"""What the robot's node says: streams, goals, the command that was sent, and how it is doing."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import String

from robot_policies.control.loop import Decision
from robot_policies.control.stamps import shifted
from robot_policies.data.ros_messages import to_seconds
from robot_policies.interface import ActionKind, Command, CommandMode
from robot_policies.interface.observation import COMMAND as COMMAND_IN_FORCE
from robot_policies.interface.observation import IMAGES, TASK, is_picture
from robot_policies.interface.urdf import description
from robot_policies.nodes.camera_info import drawn_cameras, encode_camera_info, topic_of_info
from robot_policies.nodes.commands import encode_command
from robot_policies.nodes.compressed import CompressedPublisher, is_compressible
from robot_policies.nodes.graph_node import ERROR, OK, WARN, GraphNode
from robot_policies.nodes.messages import encode_feature, encode_state
from robot_policies.nodes.qos import COMMAND, LATCHED
from robot_policies.nodes.senders import Senders, sender_of
from robot_policies.nodes.streams import PICTURES_WANTED, stream
from robot_policies.nodes.topics import topic_of
from robot_policies.nodes.trial import TrialRun

LEVELS = {"pass": OK, "approach": WARN, "hold": WARN, "damp": ERROR, "estop": ERROR}
LISTENERS = 5.0  # s; until a recorder must have found every topic
REPEAT = 0.2  # s; a goal is published when it changes, and this often for who missed it


class RobotPublishers:
    """Publishers of one robot."""

    def __init__(
        self, node: GraphNode, trial: TrialRun, policy: str, *, far: bool = False
    ) -> None:
        """Announce the topics; whoever listens is then found before the first message.

        Args:
            node: The node.
            trial: The robot.
            policy: Full name of the policy's node, which alone may want pictures.
            far: Whether it is another computer's; colour pictures are then offered compressed.
        """
        self._policy = policy
        self._node, self._trial, self._loop = node, trial, trial.loop
        self._topics: dict[str, Any] = {}
        self._level = ""
        self._goals: dict[str, tuple[float, Any]] = {}
        self._wanted_from = np.inf  # from which time the policy wants pictures
        provides = self._loop.backend.provides
        for feature in (*provides, *(trial.task.goals if trial.task else ())):
            self._topic(feature)
        self._pictures = [self._topic(feature) for feature in provides if is_picture(feature)]
        self._compressed = {
            feature: CompressedPublisher(node, topic_of(node, self._loop.backend, feature))
            for feature in provides
            if far and is_compressible(feature)
        }
        based = self._loop.action.kind is ActionKind.BASE_VELOCITY
        self._sent = (
            self._publisher("base_command_sent", TwistStamped, COMMAND)
            if based
            else self._publisher(stream(COMMAND_IN_FORCE).topic, JointState, COMMAND)
        )
        self._infos = {
            feature: self._publisher(topic_of_info(feature), CameraInfo, COMMAND)
            for feature in provides
            if feature.startswith(f"{IMAGES}.")
        }
        self._drawn = drawn_cameras(self._loop.backend)
        model = String(data=description(self._loop.robot))
        self._publisher("robot_description", String, LATCHED).publish(model)
        self._wishes = node.create_subscription(Time, PICTURES_WANTED, self._on_wanted, COMMAND)
        self._wishing = Senders(node, self._wishes.topic_name)

    def rehearse(self) -> None:
        """Encode what will be said, so that the first messages take no longer than others."""
        state, loop = self._loop.backend.read(), self._loop
        for _ in range(5):
            encode_state(loop.robot, state, loop.backend.provides)

    def await_listeners(self) -> None:
        """Wait until every topic is listened to, as the recorder of a bag does."""
        end = time.monotonic() + LISTENERS
        while any(not topic.get_subscription_count() for topic in self._topics.values()):
            if time.monotonic() > end:
                self._node.get_logger().warning("the bag will lack the beginning of the trial")
                return
            time.sleep(0.01)

    def wants_pictures(self, now: float) -> bool:
        """Return whether the policy, or anybody else who listens, wants pictures of this moment.

        The policy's node asks for those it will look at; others get all.
        """
        if not self._pictures:
            return False
        asking = self._node.count_publishers(self._wishes.topic_name)  # after remapping
        listening = max(topic.get_subscription_count() for topic in self._pictures)
        listening += max((topic.listeners for topic in self._compressed.values()), default=0)
        return now >= self._wanted_from or listening > asking

    def measured(self) -> None:
        """Publish a measurement and the task's goal; the joints, which are answered, last."""
        self._wishing.look_anew()
        state, goal, to_ros = self._loop.state, self._loop.goal, self._node.time.to_ros
        assert state is not None
        for feature, values in goal.items():
            published, before = self._goals.get(feature, (-np.inf, None))
            if abs(state.stamp - published) < REPEAT and np.array_equal(before, values):
                continue
            self._goals[feature] = state.stamp, values
            stamp = to_ros(state.stamp)
            self._topic(feature).publish(encode_feature(feature, values, stamp))
        if self._loop.decision is None and COMMAND_IN_FORCE in state.features:
            # Nothing has been sent; the pose found is what the robot is taken to hold.
            pose = np.asarray(state.features[COMMAND_IN_FORCE], np.float64)
            self._echo(Command(state.stamp, pose, mode=CommandMode.HOLD))
        sent = shifted(state, to_ros(0.0))
        provides = self._loop.backend.provides
        for feature, message in encode_state(self._loop.robot, sent, provides).items():
            self._topic(feature).publish(message)
            if feature in self._compressed:
                self._compressed[feature].publish(message)
            if info := self._infos.get(feature):
                size = message.height, message.width
                drawn = self._drawn.get(feature)
                info.publish(encode_camera_info(drawn, *size, message.header))
            if is_picture(feature):
                self._wanted_from = np.inf

    def decided(self, decision: Decision) -> None:
        """Echo what was sent; a change of level is news."""
        self._echo(decision.sent)
        if decision.verdict.level != self._level:
            self._level = decision.verdict.level
            self.report()

    def report(self) -> None:
        """Say on `/diagnostics` how far the gate had to go and why, and the loop's figures."""
        if self._loop.decision is None:
            return
        verdict = self._loop.decision.verdict
        values: dict[str, Any] = {"level": verdict.level, **self._trial.figures()}
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
        for publisher in self._compressed.values():
            publisher.close()
        self._topics, self._compressed = {}, {}
        self._node.destroy_subscription(self._wishes)

    def _echo(self, command: Command) -> None:
        sent = replace(command, stamp=self._node.time.to_ros(command.stamp))
        self._sent.publish(encode_command(self._loop.robot, sent))

    def _on_wanted(self, message: Time, info: Mapping[str, Any]) -> None:
        sender = sender_of(info)
        if sender and self._wishing.name_of(sender) != self._policy:
            return
        self._wanted_from = self._node.time.from_ros(to_seconds(message))

    def _topic(self, feature: str) -> Any:
        carrier = stream(feature)
        # Reliable delivery serves any subscriber. A picture of 1 MB overflows a socket of 200 kB.
        qos = LATCHED if feature == TASK else COMMAND
        name = topic_of(self._node, self._loop.backend, feature)
        return self._publisher(name, carrier.message, qos)

    def _publisher(self, topic: str, message: type, qos: QoSProfile) -> Any:
        if topic not in self._topics:
            self._topics[topic] = self._node.create_publisher(message, topic, qos)
        return self._topics[topic]
