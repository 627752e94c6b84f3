"""How the process of a node runs: until a signal, then to the node's own end."""

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from robot_policies.launching.parent import end_with_parent
from robot_policies.nodes import PARENT
from robot_policies.nodes.graph_node import GraphNode, release
from robot_policies.nodes.guarded import one_line
from robot_policies.nodes.lifetime import claim_name, exempt_from_collection, leave

LOOK = 0.1  # s; how often a node without messages looks for a signal
ENDING = 6.0  # s; longest time a node needs to come to its end


def run(make: Callable[[], GraphNode], *, hasty: bool = False) -> None:
    """Spin a node until it is interrupted, let it come to its end, and release what it holds.

    A signal is only noted: it cuts no callback, and messages still come while a robot lies down.

    Args:
        make: Makes the node.
        hasty: Whether SIGTERM cuts it short after another signal, because nothing moves by it. To
            load a policy can take longer than a launcher is patient.
    """
    try:
        _run(make, hasty)
    finally:
        # With the node gone its participant goes too, and all that torch and LeRobot have made is
        # passed over once more: to walk through it would take seconds.
        exempt_from_collection()


def _run(make: Callable[[], GraphNode], hasty: bool) -> None:
    signals: list[int] = []

    def note(number: int, frame: Any) -> None:
        signals.append(number)
        if hasty:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, note)
    end_with_parent(PARENT)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = make()
    claimed = claim_name(node)
    claimed.end_with_keeper()
    # One thread: several collapse at 500 Hz in rclpy, and nothing here blocks it for long.
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    fault = None
    try:
        spin(node, executor, lambda: not signals)
        if signals:
            end = time.monotonic() + ENDING
            spin(node, executor, lambda: node.interrupt() and time.monotonic() < end)
    except ExternalShutdownException:
        pass
    except RuntimeError as error:
        fault = error
    finally:
        release(node)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # what is left may be cut short
        leave(node, executor)
        claimed.close()
    # A node that fails while it ends has no more to do.
    if fault is not None and not signals:
        raise fault
    if node.status:
        sys.exit(node.status)


def spin(node: Node, executor: SingleThreadedExecutor, going: Callable[[], bool]) -> None:
    """Spin as long as something holds; a request that rclpy cannot read is dropped."""
    while rclpy.ok() and going():
        try:
            executor.spin_once(timeout_sec=LOOK)
        except SystemError as error:
            node.get_logger().error(f"request dropped: {one_line(error)}")
