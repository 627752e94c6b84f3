"""Joint limits that come with a chunk, as further elements of the chunk's message.

    elbow.limit.lower, elbow.limit.upper, elbow.limit.velocity

Each has its value in every row, so that whatever plots a trajectory plots them beside the targets,
and no chunk is ever judged by the limits of another. What is not limited is not there. A
controller that knows only its own joints refuses such a trajectory instead of following it.
"""

from collections.abc import Sequence

import numpy as np

from robot_policies.interface import ConfigError, ContractError, JointLimit, JointLimits
from robot_policies.interface.errors import suggestion
from robot_policies.interface.limits import limits_from_json

LIMIT = ".limit."
UNLIMITED = vars(JointLimit())  # by key


def with_limits(
    names: Sequence[str], values: np.ndarray, limits: JointLimits
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the elements of a chunk with its limits behind them.

    Args:
        names: Of the chunk's elements.
        values: Shape (rows, len(names)).
        limits: Of the chunk.

    Returns:
        Names, and values of shape (rows, len(names) + number of limits).
    """
    if not limits:
        return tuple(names), values
    extra = {
        f"{joint}{LIMIT}{key}": value
        for joint, limit in limits.items()
        for key, value in vars(limit).items()
        if value != UNLIMITED[key]
    }
    behind = np.tile(list(extra.values()), (len(values), 1))
    return (*names, *extra), np.hstack([values, behind])


def without_limits(
    names: Sequence[str], values: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray, JointLimits]:
    """Return the elements of a chunk and, apart from them, the limits that came with it.

    Args:
        names: Of all elements that were sent.
        values: Shape (rows, len(names)).

    Raises:
        ContractError: If a limit is unknown, is none, or changes from row to row.
    """
    own = [i for i, name in enumerate(names) if LIMIT not in name]
    if len(own) == len(names):
        return tuple(names), values, {}
    told: dict[str, dict[str, float]] = {}
    for i, name in enumerate(names):
        joint, _, key = name.rpartition(LIMIT)
        if not joint:
            continue
        if key not in UNLIMITED:
            raise ContractError(f"chunk: no limit '{name}'.{suggestion(key, UNLIMITED)}")
        column = values[:, i]
        if not (column == column[0]).all():
            raise ContractError(f"chunk: '{name}' is not the same number in every row: {column}")
        told.setdefault(joint, {})[key] = float(column[0])
    try:
        limits = limits_from_json(told, "chunk: limits")
    except ConfigError as error:
        raise ContractError(str(error)) from None
    return tuple(names[i] for i in own), values[:, own], limits
