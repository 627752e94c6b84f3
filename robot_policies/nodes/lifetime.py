"""How a node's process begins and ends: in order, at any moment, and leaving nothing behind."""

import gc
from collections.abc import Callable

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from robot_policies.interface import ConfigError
from robot_policies.launching.claims import Claim, claim

USAGE, FAULT = 2, 3  # exit statuses


def made[N: Node](make: Callable[[], N]) -> N | None:
    """Return a node; `None` if a signal came while it was made."""
    try:
        return make()
    except KeyboardInterrupt:
        return None
    except RuntimeError:
        if rclpy.ok():
            raise
        return None


def claim_name(node: Node) -> Claim:
    """Claim a node's name on this host until what is returned is closed.

    Raises:
        SystemExit: If another process has it; the reason is logged.
    """
    try:
        return claim(node.context.get_domain_id(), node.get_fully_qualified_name())
    except ConfigError as error:
        node.get_logger().error(str(error))
        leave(node)
        raise SystemExit(USAGE) from None


def leave(node: Node, executor: SingleThreadedExecutor | None = None) -> None:
    """Take a node off the graph.

    After a signal rclpy destroys no node, and others would see it for another 20 s. Where the
    user's own profile has shared memory, the node's share of it would stay in /dev/shm.
    """
    context = node.context
    if executor:
        executor.shutdown()
    node.destroy_node()
    context.try_shutdown()
    context.destroy()


def exempt_from_collection() -> None:
    """Let the garbage collector pass over all that is there now.

    A walk through the half million objects of torch and LeRobot stops a node for 0.3 s: in the
    middle of a step, or at its end, where a launcher loses patience.
    """
    gc.unfreeze()  # what an earlier configuration left behind
    gc.collect()
    gc.freeze()
