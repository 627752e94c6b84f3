"""Asks a running policy node to take other skills."""

from collections.abc import Sequence

from rcl_interfaces.srv import SetParametersAtomically

from robot_policies.nodes.skill_values import skill_parameters
from robot_policies.nodes.visitor import visit


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
    wanted = skill_parameters(skills, weights, fallback)
    request = SetParametersAtomically.Request(parameters=[p.to_parameter_msg() for p in wanted])
    with visit("skill_client") as visitor:
        answer = visitor.call(
            SetParametersAtomically, f"{node}/set_parameters_atomically", request, patience
        )
    return "" if answer.result.successful else answer.result.reason
