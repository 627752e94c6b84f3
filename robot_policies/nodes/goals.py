"""What a policy is asked to do: by a person or by the task, judged before it counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from robot_policies.data.ros_messages import Sample
from robot_policies.interface import ContractError
from robot_policies.interface.observation import TASK
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.polled import Polled, next_message
from robot_policies.nodes.senders import Senders, sender_of
from robot_policies.nodes.streams import stream

LOOK = 1.0  # s; between two looks for publishers that cannot be heard
AHEAD = 0.1  # s; by how much the clock of whoever sets a goal may lead
# Between two looks many may publish; one of them must not displace what the others said.
RECENT_GOALS = QoSProfile(depth=128, reliability=ReliabilityPolicy.BEST_EFFORT)
LAST_GOALS = QoSProfile(depth=16, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class GoalSubscription:
    """Subscription to the velocity command or to the instruction.

    The robot's node says the task's goal. Anybody else is a person, who has precedence from the
    first goal on that was taken, for as long as that publisher exists. What is refused leaves the
    goal in force as it was, and gives nobody precedence.
    """

    def __init__(
        self,
        node: GraphNode,
        feature: str,
        topic: str,
        robot: str,
        put: Callable[[Sample, float], None],
        complain: Callable[[str], None],
    ) -> None:
        """Subscribe.

        Args:
            node: The policy's node.
            feature: Feature name.
            topic: Its topic.
            robot: Full name of the robot's node.
            put: Takes a goal and its stamp on the node's clock [s]; refuses it with a
                `ContractError`.
            complain: Takes one line about what was refused.
        """
        self._node, self._feature, self._robot = node, feature, robot
        self._put, self._complain = put, complain
        carrier = stream(feature)
        self._decode = carrier.decode
        self._subscription = node.create_subscription(
            carrier.message,
            topic,
            lambda message: None,  # never called: messages are taken
            LAST_GOALS if feature == TASK else RECENT_GOALS,
            callback_group=Polled(),
        )
        self._senders = Senders(node, self._subscription.topic_name)
        self._people: set[bytes] = set()  # publishers, other than the robot's node, heard of
        package = carrier.message.__module__.partition(".")[0]
        self._type = f"{package}/msg/{carrier.message.__name__}"
        self._looked, self._unheard = -np.inf, set[tuple[str, str]]()

    def poll(self) -> None:
        """Take what has been said since; of several refusals the last one is told."""
        self._senders.look_anew()
        self._name_unheard(self._node.now())
        refusal = ""
        while taken := next_message(self._subscription):
            message, sender = taken[0], sender_of(taken[1])
            from_task = self._is_robot(sender)
            if from_task and self._people & self._senders.names.keys():
                continue
            try:
                self._put(*self._read(message))
            except ContractError as error:
                refusal = f"of {self._name_of(sender)} refused: {error}"
                continue
            if not from_task and self._senders.name_of(sender):
                self._people.add(sender)
        if refusal:
            self._complain(f"{stream(self._feature).topic} {refusal}")

    def _name_unheard(self, now: float) -> None:
        """Name each publisher of another type once: nothing that it says arrives."""
        if 0.0 <= now - self._looked < LOOK:
            return
        self._looked = now
        topic = self._subscription.topic_name
        for name, kind in sorted(self._senders.of_another_type(self._type) - self._unheard):
            self._unheard.add((name, kind))
            self._complain(f"{topic} of {name} cannot be heard: it is a {kind}, not {self._type}")

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _read(self, message: Any) -> tuple[Sample, float]:
        sample = self._decode(message)
        if self._feature == TASK:
            return sample, sample.stamp
        if not sample.stamp:
            raise ContractError("header.stamp is 0, so nothing says how old it is")
        stamp = self._node.time.from_ros(sample.stamp)
        ahead = stamp - self._node.now()
        if ahead > AHEAD:
            raise ContractError(f"stamped {ahead:.2f} s ahead of this computer's clock")
        return sample, stamp

    def _is_robot(self, sender: bytes) -> bool:
        if not sender:  # a middleware that does not say who sent a message
            return {*self._senders.names.values()} == {self._robot}
        return self._senders.name_of(sender) == self._robot

    def _name_of(self, sender: bytes) -> str:
        return self._senders.name_of(sender) or "a node that has left"
