"""Another node's lifecycle, seen from outside."""

import time
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.node import Node

from robot_policies.launching.exit_log import ExitLog

LOOK = 0.25  # s; how often somebody who waits for a node asks whether it lives


class ManagedNode:
    """Asks a lifecycle node for its state and changes it."""

    def __init__(self, node: Node, name: str) -> None:
        """Prepare.

        Args:
            node: Whose node asks; it is spun while an answer is waited for.
            name: Name of the other node, in the same namespace.
        """
        self.name, self._node, self._exit_log = name, node, ExitLog()
        self._change = node.create_client(ChangeState, f"{name}/change_state")
        self._ask = node.create_client(GetState, f"{name}/get_state")

    @property
    def death(self) -> str:
        """How its process ended, where its launch says that it did; else empty."""
        space = self._node.get_namespace().rstrip("/")
        return self._exit_log.of(f"{space}/{self.name}".lstrip("/"))

    def appears(self, patience: float) -> bool:
        """Return whether the node is there within some seconds; one that died is not."""
        end = time.monotonic() + patience
        while not self._change.wait_for_service(timeout_sec=LOOK):
            if self.death or time.monotonic() > end:
                return False
        return True

    def state(self, patience: float) -> int | None:
        """Return the state's number; `None` if the node does not answer within some seconds."""
        answer = self._call(self._ask, GetState.Request(), patience)
        return answer.current_state.id if answer else None

    def change(self, number: int, patience: float) -> bool:
        """Return whether a transition succeeded within some seconds."""
        request = ChangeState.Request(transition=Transition(id=number))
        answer = self._call(self._change, request, patience)
        return answer is not None and answer.success

    def _call(self, client: Client, request: Any, patience: float) -> Any:
        future, end = client.call_async(request), time.monotonic() + patience
        # The service of a node that died disappears after a while: no use in waiting longer.
        while (
            not (future.done() or self.death)
            and time.monotonic() < end
            and client.service_is_ready()
        ):
            rclpy.spin_until_future_complete(self._node, future, timeout_sec=min(patience, 1.0))
        if not future.done():
            client.remove_pending_request(future)
        return future.result()
