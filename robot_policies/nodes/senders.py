"""Who sent a message: the node behind the publisher whose id came with it."""

from collections.abc import Mapping
from typing import Any

from rclpy.node import Node

UNKNOWN = "_NODE_NAME_UNKNOWN_"  # rmw's, of an endpoint that is heard of before its node


def full_name(namespace: str, name: str) -> str:
    """Return the full name of a node; an absolute name is one already."""
    return name if name.startswith("/") else f"{namespace.rstrip('/')}/{name}"


def sender_of(info: Mapping[str, Any]) -> bytes:
    """Return the id of the publisher of a message; empty where the middleware does not tell."""
    return bytes(info.get("publisher_gid", {}).get("data", b""))


class Senders:
    """The publishers of one topic; they are looked for no more often than `look_anew` is called.

    To find them takes a fraction of a millisecond, which no flood of messages may repeat.
    """

    def __init__(self, node: Node, topic: str) -> None:
        """Remember what to look for.

        Args:
            node: Whose view of the graph counts.
            topic: Name of the topic.
        """
        self._node, self._topic = node, topic
        self._names: dict[bytes, str] = {}
        self._looked = False

    def look_anew(self) -> None:
        """Look for the publishers again when they are next asked for."""
        self._looked = False

    @property
    def names(self) -> Mapping[bytes, str]:
        """Full name of the node behind each publisher there is, by its id."""
        if not self._looked:
            self._looked = True
            infos = self._node.get_publishers_info_by_topic(self._topic)
            self._names = {
                bytes(one.endpoint_gid): full_name(one.node_namespace, one.node_name)
                for one in infos
                if one.node_name != UNKNOWN
            }
        return self._names

    def of_another_type(self, expected: str) -> set[tuple[str, str]]:
        """Return node and type of each publisher whose messages cannot arrive.

        Args:
            expected: Type of the topic, such as `geometry_msgs/msg/TwistStamped`.
        """
        return {
            (full_name(one.node_namespace, one.node_name), one.topic_type)
            for one in self._node.get_publishers_info_by_topic(self._topic)
            if one.topic_type != expected and one.node_name != UNKNOWN
        }

    def name_of(self, sender: bytes) -> str | None:
        """Return the full name of a publisher's node; `None` if there is none known."""
        return self._names.get(sender) or self.names.get(sender)


class OneSource:
    """Who is believed on a topic of measurements.

    That is the robot's node where it publishes there, and else who speaks first; it is believed
    for as long as it publishes.
    """

    def __init__(self, senders: Senders, robot: str) -> None:
        """Believe nobody yet.

        Args:
            senders: Of the topic.
            robot: Full name of the robot's node.
        """
        self._senders, self._robot = senders, robot
        self._source = b""

    def look_anew(self) -> None:
        """Look for the publishers again when another one is heard."""
        self._senders.look_anew()

    def believes(self, sender: bytes) -> bool:
        """Return whether a message counts; where the middleware does not say whose, it does."""
        if not sender or sender == self._source:
            return True
        names = self._senders.names
        others = self._robot in names.values() and names.get(sender) != self._robot
        if sender not in names or self._source in names or others:
            return False
        self._source = sender
        return True

    def name_of(self, sender: bytes) -> str | None:
        """Return the full name of a publisher's node; `None` if it is not known (yet)."""
        return self._senders.name_of(sender)
