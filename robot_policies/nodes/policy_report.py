"""What the policy's node says of itself, as the robot's node puts it into a trial's summary."""

import math

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile

from robot_policies.nodes.polled import Polled, next_message
from robot_policies.nodes.senders import Senders, sender_of

PREFIX = "policy_"
WAITING = QoSProfile(depth=100)  # statuses of all robots of a domain, in a second


class PolicyReport:
    """The newest figures that the policy's node has published on `/diagnostics`.

    Attributes:
        figures: By name, which begins with `policy_`.
    """

    def __init__(self, node: Node, policy: str) -> None:
        """Subscribe.

        Args:
            node: Whose node listens.
            policy: Full name of the policy's node.
        """
        self.figures: dict[str, float] = {}
        self._node, self._policy = node, policy
        self._subscription = node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda message: None,  # never called: messages are taken
            WAITING,
            callback_group=Polled(),
        )
        self._senders = Senders(node, "/diagnostics")

    def poll(self) -> None:
        """Take what has been said since."""
        self._senders.look_anew()
        while taken := next_message(self._subscription):
            message, sender = taken[0], sender_of(taken[1])
            if sender and self._senders.name_of(sender) != self._policy:
                continue
            for status in message.status:
                if f"/{status.name}" == self._policy:
                    self._read(status)

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _read(self, status: DiagnosticStatus) -> None:
        for pair in status.values:
            try:
                value = float(pair.value)
            except ValueError:
                continue  # it is a word
            if math.isfinite(value):
                self.figures[f"{PREFIX}{pair.key}"] = value
