"""A process that talks to a running graph for a moment: it asks one thing and leaves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from robot_policies.interface import BackendError
from robot_policies.launching.network import CLOSED, membership
from robot_policies.nodes.lifetime import leave
from robot_policies.nodes.qos import LATCHED

PATIENCE = 10.0  # s; for a service to be found, and for its answer


class Visitor:
    """Calls services of a graph.

    Attributes:
        node: Its node.
    """

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        """Keep node and executor."""
        self.node, self._executor = node, executor

    def call(self, service: type, name: str, request: Any, patience: float = PATIENCE) -> Any:
        """Return the answer of a service.

        Args:
            service: Its type.
            name: Its full name.
            request: What to ask.
            patience: How long to wait for the service, and for its answer. [s]

        Raises:
            BackendError: If nobody offers the service, or no answer comes.
        """
        client = self.node.create_client(service, name)
        if not client.wait_for_service(timeout_sec=patience):
            raise BackendError(f"nobody offers {name} {self._where(patience)}")
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=patience)
        if not future.done():
            raise BackendError(f"{name} did not answer within {patience:g} s")
        return future.result()

    def tell(self, topic: str, message: Any, patience: float = PATIENCE) -> None:
        """Publish one message and wait until everybody who listens has it.

        Args:
            topic: Full name of the topic.
            message: The message.
            patience: How long to wait for a listener, and for its acknowledgement. [s]

        Raises:
            BackendError: If nobody listens, or somebody does not acknowledge.
        """
        publisher = self.node.create_publisher(type(message), topic, LATCHED)
        end = time.monotonic() + patience
        while not publisher.get_subscription_count():
            if time.monotonic() > end:
                raise BackendError(f"nobody listens to {topic} {self._where(patience)}")
            self._executor.spin_once(timeout_sec=0.05)
        publisher.publish(message)
        if not publisher.wait_for_all_acked(Duration(seconds=patience)):
            raise BackendError(f"{topic}: not everybody has acknowledged within {patience:g} s")

    def _where(self, patience: float) -> str:
        domain = self.node.context.get_domain_id()
        return f"in ROS domain {domain} (waited {patience:g} s)"


@contextmanager
def visit(name: str, network: str = CLOSED) -> Iterator[Visitor]:
    """Take part in a graph while the block runs.

    Args:
        name: Name of the node that asks.
        network: Who can reach it, as the launch argument `network`.
    """
    with membership(network):
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node(name, context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            yield Visitor(node, executor)
        finally:
            leave(node, executor)
