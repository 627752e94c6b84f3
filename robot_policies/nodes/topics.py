"""The topic of each stream of a robot, beside a driver that may publish some of them itself."""

from rclpy.node import Node

from robot_policies.interface import PublishedBackend, RobotBackend
from robot_policies.nodes.streams import stream

OWN = "robot"  # namespace of what a driver publishes as well


def topic_of(node: Node, backend: RobotBackend, feature: str) -> str:
    """Return the relative topic that carries a stream in this graph.

    Where the robot's driver publishes the stream under the same name, the states of this graph
    go beside it: two publishers of one topic would alternate.

    Args:
        node: A node of the graph.
        backend: The robot.
        feature: Feature name.
    """
    topic = stream(feature).topic
    published = backend.published if isinstance(backend, PublishedBackend) else {}
    taken = published.get(feature) == node.resolve_topic_name(topic)
    return f"{OWN}/{topic}" if taken else topic
