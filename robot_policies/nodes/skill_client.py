"""Asks a running policy node to take other skills."""

from collections.abc import Sequence

import rclpy
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor

from robot_policies.interface import BackendError
from robot_policies.nodes.skills import skill_parameters


def use_skills(
    node: str,
    skills: Sequence[str],
    weights: Sequence[float],
    fallback: str = "",
    patience: float = 10.0,
) -> str:
    """Set the parameters of a node at once.

    Args:
        node: Full name of the node.
        skills: Absolute folders, or names in the node's library; none is the base alone.
        weights: One for each; none: by context.
        fallback: The skill of them that acts where none was trained; empty: the base.
        patience: How long to wait for the node, and for its answer. [s]

    Returns:
        Why the node refuses; empty if the skills act.

    Raises:
        BackendError: If the node is not there, or does not answer.
    """
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        own = rclpy.create_node("skill_client", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(own)
        client = own.create_client(SetParametersAtomically, f"{node}/set_parameters_atomically")
        if not client.wait_for_service(timeout_sec=patience):
            raise BackendError(f"no node '{node}' that takes parameters within {patience:g} s")
        wanted = skill_parameters(skills, weights, fallback)
        parameters = [parameter.to_parameter_msg() for parameter in wanted]
        future = client.call_async(SetParametersAtomically.Request(parameters=parameters))
        executor.spin_until_future_complete(future, timeout_sec=patience)
        answer = future.result() if future.done() else None
        if answer is None:
            raise BackendError(f"node '{node}' did not answer within {patience:g} s")
        return "" if answer.result.successful else answer.result.reason
    finally:
        rclpy.try_shutdown(context=context)
