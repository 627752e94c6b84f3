"""Raw subscriptions to all topics of some nodes, from which a bag is written."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from robot_policies.nodes.polled import Polled, next_message
from robot_policies.nodes.streams import message_class

if TYPE_CHECKING:
    from robot_policies.data.bag_writer import BagWriter

DEPTH, LARGE_DEPTH = 200, 8  # messages of a topic that may wait, and those with pictures
LARGE = "Image", "CompressedImage", "PointCloud2"


class BagListeners:
    """Subscriptions to all topics of some nodes.

    Attributes:
        unknown: One line for each topic that cannot be recorded.
    """

    def __init__(
        self, node: Node, nodes: Sequence[str], writer: "BagWriter", lacks: Counter[str]
    ) -> None:
        """Listen to nothing yet.

        Args:
            node: Listens.
            nodes: Full names of those whose topics are wanted.
            writer: Takes the messages.
            lacks: Counts those that did not come, by topic.
        """
        self._nodes = [name.rpartition("/") for name in nodes]
        self._node, self._writer, self._lacks = node, writer, lacks
        self._subscriptions: dict[str, Any] = {}
        self._newest: dict[tuple[str, bytes], int] = {}
        self._waiting: list[tuple[int, str, bytes, int]] = []
        self.unknown: list[str] = []

    def look(self) -> bool:
        """Begin to listen to topics that somebody publishes; return whether a node is there."""
        there = set(self._node.get_node_names_and_namespaces())
        for namespace, _, name in self._nodes:
            if (name, namespace or "/") not in there:
                continue
            about = name, namespace or "/"
            for topic, kinds in (
                *self._node.get_publisher_names_and_types_by_node(*about),
                *self._node.get_subscriber_names_and_types_by_node(*about),
            ):
                if topic not in self._subscriptions:
                    self._begin(topic, kinds[0])
        return bool(self._subscriptions)

    def _begin(self, topic: str, kind: str) -> None:
        offers = [
            offer
            for offer in self._node.get_publishers_info_by_topic(topic)
            if offer.topic_type == kind
        ]
        if not offers:
            return
        if not self._writer.knows(kind):
            self._subscriptions[topic] = None
            self.unknown.append(f"{topic}: not recorded, the type {kind} is not known")
            return
        qualities = [_qualities(offer.qos_profile) for offer in offers]
        self._writer.add(topic, kind, qualities, str(offers[0].topic_type_hash))
        self._subscriptions[topic] = self._node.create_subscription(
            message_class(kind),
            topic,
            lambda message: None,  # never called: messages are taken
            _heard(offers, LARGE_DEPTH if kind.endswith(LARGE) else DEPTH),
            callback_group=Polled(),
            raw=True,
        )

    def take(self) -> None:
        """Write what has come since, in the order in which it came."""
        now = time.time_ns()
        for topic, subscription in self._subscriptions.items():
            while subscription and (taken := next_message(subscription)):
                data, info = taken
                received = info["received_timestamp"] or now
                sent = info["source_timestamp"] or received
                self._waiting.append((received, topic, data, sent))
                self._count(topic, info)
        # What came meanwhile waits: topics that were looked at before may have older messages.
        came = sorted(entry for entry in self._waiting if entry[0] <= now)
        self._waiting = [entry for entry in self._waiting if entry[0] > now]
        for received, topic, data, sent in came:
            self._writer.write(topic, data, received, sent)

    def _count(self, topic: str, info: Mapping[str, Any]) -> None:
        """Count the messages between this one and the one before of the same publisher."""
        number, sender = info.get("publication_sequence_number"), info.get("publisher_gid")
        if number is None or not sender:
            return
        key = topic, bytes(sender["data"])
        missed = number - self._newest.get(key, number - 1) - 1
        if missed > 0:
            self._lacks[topic] += missed
        self._newest[key] = number


def _heard(offers: Sequence[Any], depth: int) -> QoSProfile:
    """Return what hears every publisher there is."""
    offered = [offer.qos_profile for offer in offers]
    reliable = all(one.reliability == ReliabilityPolicy.RELIABLE for one in offered)
    latched = all(one.durability == DurabilityPolicy.TRANSIENT_LOCAL for one in offered)
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _qualities(profile: QoSProfile) -> dict[str, Any]:
    """Return qualities of service as rosbag2 writes them."""
    span = {}
    for name in ("deadline", "lifespan", "liveliness_lease_duration"):
        seconds, rest = divmod(getattr(profile, name).nanoseconds, 10**9)
        span[name] = {"sec": seconds, "nsec": rest}
    return {
        "history": profile.history.name.lower(),
        "depth": profile.depth,
        "reliability": profile.reliability.name.lower(),
        "durability": profile.durability.name.lower(),
        "liveliness": profile.liveliness.name.lower(),
        **span,
        "avoid_ros_namespace_conventions": profile.avoid_ros_namespace_conventions,
    }
