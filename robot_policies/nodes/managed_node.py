"""Another node's lifecycle, seen from outside."""

import time
from collections.abc import Iterable, Sequence
from socket import socket

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

from robot_policies.launching.claims import keep
from robot_policies.launching.exit_log import ExitLog
from robot_policies.nodes.senders import full_name

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
        self._kept: socket | None = None
        self._asked: list[Future] = []  # questions without an answer

    @property
    def death(self) -> str:
        """How its process ended, where its launch says that it did; else empty."""
        return self._exit_log.of(full_name(self._node.get_namespace(), self.name).lstrip("/"))

    def appears(self, patience: float) -> bool:
        """Return whether the node is there within some seconds; one that died is not."""
        end = time.monotonic() + patience
        while not self._change.wait_for_service(timeout_sec=LOOK):
            if self.death or time.monotonic() > end:
                return False
        return True

    def keep(self) -> bool:
        """Have the node end with this process; return whether it does, or has ended already."""
        if self._kept is None:
            name = full_name(self._node.get_namespace(), self.name)
            self._kept = keep(self._node.context.get_domain_id(), name)
        return self._kept is not None or bool(self.death)

    def let_go(self) -> None:
        """Have the node end, if it was kept."""
        if self._kept:
            self._kept.close()
            self._kept = None

    def state(self, patience: float) -> int | None:
        """Return the state's number; `None` if the node does not answer within some seconds.

        An answer that was late for one question is the answer to the next: on a busy machine
        every one may be late.
        """
        self._asked.append(self._ask.call_async(GetState.Request()))
        self._wait(self._ask, self._asked, patience)
        answered = [k for k, future in enumerate(self._asked) if future.done()]
        if not answered:
            return None
        newest = self._asked[answered[-1]].result()
        for future in self._asked[: answered[-1]]:
            self._ask.remove_pending_request(future)
        self._asked = self._asked[answered[-1] + 1 :]
        return newest.current_state.id if newest else None

    def change(self, number: int, patience: float, others: Iterable["ManagedNode"] = ()) -> bool:
        """Return whether a transition succeeded within some seconds, and before others died."""
        request = ChangeState.Request(transition=Transition(id=number))
        future = self._change.call_async(request)
        self._wait(self._change, [future], patience, others)
        if not future.done():
            self._change.remove_pending_request(future)
        answer = future.result()
        return answer is not None and answer.success

    def _wait(
        self,
        client: Client,
        futures: Sequence[Future],
        patience: float,
        others: Iterable["ManagedNode"] = (),
    ) -> None:
        """Spin until one of several questions is answered, or no longer for some seconds."""
        end = time.monotonic() + patience
        while not any(future.done() for future in futures):
            # The service of a node that died disappears after a while.
            left = end - time.monotonic()
            if left <= 0.0 or not client.service_is_ready():
                return
            if self.death or any(other.death for other in others):
                return
            self._spin(min(left, 1.0))

    def _spin(self, seconds: float) -> None:
        rclpy.spin_once(self._node, timeout_sec=seconds)
