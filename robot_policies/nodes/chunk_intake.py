"""Chunks from the policy's node: bounded in size and number, and from that node only."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

from robot_policies.interface import ActionChunk, ActionSpec, ContractError
from robot_policies.nodes.chunk_limits import UNLIMITED
from robot_policies.nodes.chunks import chunk_type, decode_chunk
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.senders import Senders, sender_of

ROW_BYTES = 64  # of a row, beside its numbers
NAME_BYTES = 256  # of an element's name
ELEMENTS = 1 + len(UNLIMITED)  # of a joint: its target and its limits
HEADER_BYTES = 4096
PER_SLOT = 4  # times that messages are read in one control slot; a policy sends one
MOST_AT_ONCE = 128  # messages; a flood of 2000 a second brings 67 in a slot at 30 Hz
WAITING = QoSProfile(depth=MOST_AT_ONCE, reliability=ReliabilityPolicy.RELIABLE)


class Unfit(StrEnum):
    """Why a message was refused as a chunk."""

    STRANGER = "stranger"  # it is not the policy's node that sent it
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"  # its bytes are no such message
    MALFORMED = "malformed"  # it is no chunk
    MISMATCHED = "mismatched"  # it is no chunk of this policy: other names, kind, dt or length


class _Budget(CallbackGroup):
    """Lets the executor read so many times, so that no flood keeps it from the control loop."""

    left = PER_SLOT

    def can_execute(self, entity: Any) -> bool:
        """Return whether one more may be read."""
        return self.left > 0

    def beginning_execution(self, entity: Any) -> bool:
        """Spend one."""
        self.left -= 1
        return True

    def ending_execution(self, entity: Any) -> None:
        """Nothing is given back before the next slot."""


class ChunkIntake:
    """Subscription to the chunks of one policy.

    The policy's node is believed, and who of that name speaks first for as long as it publishes.
    Any other publisher is refused by name, before its messages are decoded.
    """

    def __init__(
        self,
        node: GraphNode,
        action: ActionSpec,
        policy: str,
        take: Callable[[ActionChunk], None],
        refuse: Callable[[Unfit, str], None],
    ) -> None:
        """Subscribe.

        Args:
            node: The node.
            action: The policy's actions, which say how large a chunk can be.
            policy: Full name of the policy's node.
            take: Takes a chunk, stamped with the node's time.
            refuse: Takes the reason why there is none, and one line for people.
        """
        width = ELEMENTS * len(action.array.names)
        self._limit = HEADER_BYTES + width * NAME_BYTES
        self._limit += action.horizon * (ROW_BYTES + 8 * 7 * width)  # a transform has 7 numbers
        self._node, self._policy, self._take, self._refuse = node, policy, take, refuse
        self._budget = _Budget()
        topic, self._message = chunk_type(action.kind)
        self._subscription = node.create_subscription(
            self._message, topic, self._on_bytes, WAITING, callback_group=self._budget, raw=True
        )
        self._source = b""  # id of the publisher that is believed
        self._senders = Senders(node, self._subscription.topic_name)

    def next_slot(self) -> None:
        """Allow the messages of one more control slot."""
        self._budget.left = PER_SLOT
        self._senders.look_anew()

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _on_bytes(self, data: bytes, info: Mapping[str, Any]) -> None:
        """Judge a message and those that wait behind it, so that a flood displaces none."""
        self._judge(data, info)
        for _ in range(MOST_AT_ONCE - 1):
            with self._subscription.handle:
                taken = self._subscription.handle.take_message(self._message, True)
            if not taken:
                return
            self._judge(*taken)

    def _judge(self, data: bytes, info: Mapping[str, Any]) -> None:
        topic = self._subscription.topic_name
        if stranger := self._stranger(sender_of(info)):
            text = f"{topic} is for node '{self._policy}' alone, {stranger} is refused"
            self._refuse(Unfit.STRANGER, text)
            return
        if len(data) > self._limit:
            text = f"{topic}: {len(data)} bytes, the policy's chunks have {self._limit}"
            self._refuse(Unfit.TOO_LARGE, text)
            return
        try:
            chunk = decode_chunk(deserialize_message(data, self._message))
        except ContractError as error:
            self._refuse(Unfit.MALFORMED, str(error))
            return
        except RuntimeError:  # rclpy's, over several lines
            text = f"{topic}: {len(data)} bytes that are no {self._message.__name__}"
            self._refuse(Unfit.UNREADABLE, text)
            return
        self._take(chunk)

    def _stranger(self, sender: bytes) -> str:
        """Return who sent a message, for people, if it is not the publisher that is believed."""
        if sender and sender == self._source:
            return ""
        names = self._senders.names
        if not sender:  # a middleware that does not say who sent a message
            others = sorted({f"'{name}'" for name in names.values() if name != self._policy})
            return ", ".join(others)
        if names.get(sender) != self._policy:
            return f"'{names[sender]}'" if sender in names else "a node that is not known"
        if self._source in names:
            return "a second one of that name"
        self._source = sender
        return ""
