"""Chunks from the policy's node: bounded in size and number, from one publisher only."""

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.serialization import deserialize_message

from robot_policies.interface import ActionChunk, ActionSpec, ContractError
from robot_policies.nodes.chunks import chunk_type, decode_chunk
from robot_policies.nodes.graph_node import CHUNKS, GraphNode

ROW_BYTES = 64  # of a row, beside its numbers
NAME_BYTES = 256  # of a joint's name and limits
HEADER_BYTES = 4096
PER_SLOT = 4  # chunks read in one control slot; a policy sends one


class _Budget(CallbackGroup):
    """Lets the executor read so many messages, so that no flood keeps it from the control loop."""

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
    """Subscription to the chunks of one policy."""

    def __init__(
        self,
        node: GraphNode,
        action: ActionSpec,
        take: Callable[[ActionChunk], None],
        refuse: Callable[[str], None],
    ) -> None:
        """Subscribe.

        Args:
            node: The node.
            action: The policy's actions, which say how large a chunk can be.
            take: Takes a chunk, stamped with the node's time.
            refuse: Takes the reason why there is none.
        """
        width = len(action.array.names)
        self._limit = HEADER_BYTES + width * NAME_BYTES
        self._limit += action.horizon * (ROW_BYTES + 8 * 8 * width)  # a transform has 7 numbers
        self._node, self._take, self._refuse = node, take, refuse
        self._budget = _Budget()
        topic, self._message = chunk_type(action.kind)
        self._subscription = node.create_subscription(
            self._message, topic, self._on_bytes, CHUNKS, callback_group=self._budget, raw=True
        )

    def next_slot(self) -> None:
        """Allow the messages of one more control slot."""
        self._budget.left = PER_SLOT

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _on_bytes(self, data: bytes) -> None:
        topic = self._subscription.topic_name
        if len(data) > self._limit:
            self._refuse(f"{topic}: {len(data)} bytes, the policy's chunks have {self._limit}")
            return
        if self._node.count_publishers(topic) > 1:
            self._refuse(f"{topic} may have one publisher, it has: {self._publishers(topic)}")
            return
        try:
            chunk = decode_chunk(deserialize_message(data, self._message))
        except ContractError as error:
            self._refuse(str(error))
            return
        self._take(chunk)

    def _publishers(self, topic: str) -> str:
        infos = self._node.get_publishers_info_by_topic(topic)
        names = sorted(f"{i.node_namespace.rstrip('/')}/{i.node_name}" for i in infos)
        return ", ".join(names[:5])
