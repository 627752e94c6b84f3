"""One stream of measurements: of the publisher that is believed, and decoded."""

from collections.abc import Callable, Iterator
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy

from robot_policies.data.ros_messages import Sample
from robot_policies.interface import ContractError
from robot_policies.interface.observation import COMMAND, POINTS, is_picture
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.polled import Polled, next_message
from robot_policies.nodes.qos import COMMAND as NEWEST
from robot_policies.nodes.qos import RECENT, SENSOR
from robot_policies.nodes.senders import OneSource, Senders, sender_of
from robot_policies.nodes.streams import Stream

# Between two looks others may publish; one of them must not displace what the robot said.
SEVERAL = QoSProfile(depth=8, reliability=ReliabilityPolicy.BEST_EFFORT)


class BelievedStream:
    """Subscription to one stream.

    What another publisher than the believed one says, and what cannot be read, is left aside with
    one line.
    """

    def __init__(
        self,
        node: GraphNode,
        feature: str,
        carrier: Stream,
        robot: str,
        complain: Callable[[str], None],
        take: Callable[[Sample], None] | None = None,
    ) -> None:
        """Subscribe.

        Args:
            node: The policy's node.
            feature: Feature name.
            carrier: How it travels.
            robot: Full name of the robot's node, which is believed before others.
            complain: Takes one line about what was refused.
            take: Takes each sample as it comes; without it they wait until they are asked for.
        """
        self._node, self._take, self._complain = node, take, complain
        self._topic, self._decode = carrier.topic, carrier.decode
        self._subscription = node.create_subscription(
            carrier.message,
            carrier.topic,
            self._on_message,
            SENSOR if take else _quality(node, feature, carrier.topic),
            callback_group=None if take else Polled(),
        )
        self._source = OneSource(Senders(node, self._subscription.topic_name), robot)

    def look_anew(self) -> None:
        """Look for the publishers again when another one is heard."""
        self._source.look_anew()

    def waiting(self) -> Iterator[Sample]:
        """Take what has come since, oldest first."""
        while received := next_message(self._subscription):
            if sample := self._believed(*received):
                yield sample

    def refuse(self, error: ContractError) -> None:
        """Complain about what this stream said."""
        self._complain(f"{self._topic} refused: {error}")

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _on_message(self, message: Any, info: Any) -> None:
        self.look_anew()
        sample = self._believed(message, info)
        if sample and self._take:
            self._take(sample)

    def _believed(self, message: Any, info: Any) -> Sample | None:
        """Return the sample of a message; `None` if it does not count."""
        sender = sender_of(info)
        if not self._source.believes(sender):
            if name := self._source.name_of(sender):
                about = f"has another publisher already, '{name}' is refused"
                self._complain(f"{self._topic} {about}")
            return None
        try:
            return self._decode(message)
        except ContractError as error:
            self.refuse(error)
            return None


def _quality(node: GraphNode, feature: str, topic: str) -> QoSProfile:
    """Return how a stream is delivered and how many messages wait: of large ones only the newest.

    A large message is lost with any part of it, so it is had reliably where it is offered so.
    """
    if feature == COMMAND:
        return RECENT
    if not (is_picture(feature) or feature == POINTS):
        return SEVERAL
    offers = node.get_publishers_info_by_topic(topic)
    reliably = bool(offers) and all(
        offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE for offer in offers
    )
    return NEWEST if reliably else SENSOR
