"""Brings the other nodes up in order, watches them, and takes them down in reverse.

It ends with status 0 when the backend has finished its trial, and with 3 when a node refuses,
gives up or dies; the launch file ends with it.
"""

import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.client import Client
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from robot_policies.nodes.graph_node import ERROR, diagnosis

FAULT = 3  # exit status
WATCH_PERIOD = 0.25  # s
UP = (Transition.TRANSITION_CONFIGURE, "configure"), (Transition.TRANSITION_ACTIVATE, "activate")
DOWN = Transition.TRANSITION_DEACTIVATE


class Fault(Exception):
    """Why the graph cannot run; one line."""


class BringupNode(Node):
    """Steps the lifecycle of the graph."""

    def __init__(self) -> None:
        """Declare the settings."""
        super().__init__("bringup")
        self._names: Sequence[str] = self._setting(
            "nodes", ["backend", "policy"], "lifecycle nodes, in the order of bring-up"
        )
        self._patience = self._setting("patience", 300.0, "longest transition [s]")
        self._appearance = self._setting("appearance", 60.0, "longest start of a process [s]")
        self._silence = self._setting("silence", 2.0, "a node silent this long is dead [s]")
        self._change = {
            n: self.create_client(ChangeState, f"{n}/change_state") for n in self._names
        }
        self._ask = {n: self.create_client(GetState, f"{n}/get_state") for n in self._names}
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)

    def bring_up(self) -> None:
        """Configure all nodes, then activate all: nothing moves before everything is ready.

        Raises:
            Fault: If a node does not appear or refuses.
        """
        for number, verb in UP:
            for name in self._names:
                if not self._change[name].wait_for_service(timeout_sec=self._appearance):
                    raise Fault(f"node '{name}' has not appeared for {self._appearance:g} s")
                if not self._transition(name, number, self._patience):
                    raise Fault(f"node '{name}' could not {verb}; its own message says why")

    def watch(self) -> None:
        """Return when the first node has finished.

        Raises:
            Fault: If a node dies or gives up.
        """
        heard = dict.fromkeys(self._names, time.monotonic())
        while True:
            for name in self._names:
                state = self._state(name, WATCH_PERIOD)
                if state is not None:
                    heard[name] = time.monotonic()
                if name == self._names[0] and state == State.PRIMARY_STATE_INACTIVE:
                    return
                if state not in (None, State.PRIMARY_STATE_ACTIVE):
                    raise Fault(f"node '{name}' gave up; its own message says why")
                if time.monotonic() - heard[name] > self._silence:
                    raise Fault(f"node '{name}' died: silent for {self._silence:g} s")
            rclpy.spin_once(self, timeout_sec=WATCH_PERIOD)

    def take_down(self) -> None:
        """Deactivate in reverse order whoever is active and still answers."""
        for name in reversed(self._names):
            if self._state(name, 1.0) == State.PRIMARY_STATE_ACTIVE:
                self._transition(name, DOWN, self._silence)

    def report(self, fault: str) -> None:
        """Say why, on the log and on `/diagnostics`."""
        self.get_logger().error(fault)
        self._diagnostics.publish(diagnosis(self, ERROR, fault, {}))

    def _setting(self, name: str, default: Any, text: str) -> Any:
        descriptor = ParameterDescriptor(description=text)
        return self.declare_parameter(name, default, descriptor).value

    def _state(self, name: str, patience: float) -> int | None:
        answer = self._call(self._ask[name], GetState.Request(), patience)
        return answer.current_state.id if answer else None

    def _transition(self, name: str, number: int, patience: float) -> bool:
        request = ChangeState.Request(transition=Transition(id=number))
        answer = self._call(self._change[name], request, patience)
        return answer is not None and answer.success

    def _call(self, client: Client, request: Any, patience: float) -> Any:
        """Return the answer; `None` if there is none in time, or its server has disappeared."""
        future, end = client.call_async(request), time.monotonic() + patience
        while not future.done() and time.monotonic() < end and client.service_is_ready():
            rclpy.spin_until_future_complete(self, future, timeout_sec=min(patience, 1.0))
        if not future.done():
            client.remove_pending_request(future)
        return future.result()


def main() -> None:
    """Run the graph from bring-up to take-down."""
    rclpy.init()
    node = BringupNode()
    status = 0
    try:
        try:
            node.bring_up()
            node.watch()
        except Fault as fault:
            status = FAULT
            node.report(str(fault))
        node.take_down()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # whoever interrupts this node interrupts the others too
    finally:
        rclpy.try_shutdown()
    sys.exit(status)


if __name__ == "__main__":
    main()
