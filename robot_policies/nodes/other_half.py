"""The half of a graph that runs on another computer, as bring-up sees it.

It was started apart, so its arguments may differ, and it may have outlived an earlier trial. A
link that is lost for a while holds the robot, and is not the death of that half.
"""

import rclpy
from lifecycle_msgs.msg import State, Transition
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node

from robot_policies.interface import ConfigError
from robot_policies.nodes.managed_node import ManagedNode

AGREED = ("robot", "backend", "task", "rate", "seed", "executor", "plan_age")
PATIENCE = 10.0  # s; for its parameters
DOWN = {
    State.PRIMARY_STATE_ACTIVE: (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
    ),
    State.PRIMARY_STATE_INACTIVE: (Transition.TRANSITION_CLEANUP,),
}


def renew(node: ManagedNode, patience: float) -> bool:
    """Have a node forget an earlier trial; return whether it is as it was when it was started.

    Args:
        node: The node.
        patience: Longest transition. [s]
    """
    state = node.state(patience)
    return state is not None and all(node.change(step, patience) for step in DOWN.get(state, ()))


def require_agreement(node: Node, near: str, far: str) -> None:
    """Refuse halves that were started with different arguments.

    Args:
        node: Whose node asks; it is spun meanwhile.
        near: Name of the node on this computer.
        far: Name of the other one.

    Raises:
        ConfigError: Naming the first parameter that differs, with both values.
    """
    here, there = (_parameters(node, name) for name in (near, far))
    for name, ours, theirs in zip(AGREED, here, there, strict=True):
        if ours != theirs:
            raise ConfigError(
                f"'{far}' was started with {name}:={theirs or 'none'} and '{near}' with "
                f"{name}:={ours or 'none'}; start both halves with the same"
            )


def _parameters(node: Node, name: str) -> list[str]:
    client = node.create_client(GetParameters, f"{name}/get_parameters")
    try:
        client.wait_for_service(timeout_sec=PATIENCE)
        future = client.call_async(GetParameters.Request(names=[*AGREED]))
        rclpy.spin_until_future_complete(node, future, timeout_sec=PATIENCE)
        answer = future.result() if future.done() else None
        if answer is None or len(answer.values) != len(AGREED):
            raise ConfigError(f"'{name}' has not told its parameters for {PATIENCE:g} s")
        # Launch files give every value as text; `none` is the empty one.
        texts = [value.string_value for value in answer.values]
        return ["" if text == "none" else text for text in texts]
    finally:
        node.destroy_client(client)
