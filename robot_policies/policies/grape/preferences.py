"""From attempts to pairs: rank those from one initial state, pair the best with the worst.

R = w_self R_self + w_ext R_ext + w_success I_success             GRAPE 2411.19309, eq. 9 to 11
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_policies.interface import ConfigError
from robot_policies.policies.grape.objective import Objective
from robot_policies.policies.grape.trajectories import Trajectory


@dataclass(frozen=True, eq=False)
class Pair:
    """Two attempts from one initial state, one of which is preferred.

    Attributes:
        chosen: The preferred one.
        rejected: The other.
        margin: By how much. [1]
    """

    chosen: Trajectory
    rejected: Trajectory
    margin: float

    def __post_init__(self) -> None:
        """Refuse attempts that cannot be compared."""
        if self.chosen.start != self.rejected.start:
            raise ConfigError(
                f"a pair of initial states {self.chosen.start} and {self.rejected.start}: only "
                "attempts from one state can be compared"
            )


def rewards(group: Sequence[Trajectory], objective: Objective) -> np.ndarray:
    """Return what each attempt from one initial state is worth. Shape (N,).

    Raises:
        ConfigError: If a log-probability is not finite.
    """
    terms = objective.terms
    own = np.array([float(attempt.log_probability.sum()) for attempt in group])
    if not np.isfinite(own).all():
        number = int(np.argmin(np.isfinite(own)))
        raise ConfigError(
            f"attempt {number} from state {group[number].start}: log-probability {own[number]}; "
            "the policy cannot have acted like this"
        )
    columns = {
        "self": own,
        "external": np.array([objective.external(attempt) for attempt in group]),
        "success": np.array([float(attempt.success) for attempt in group]),
    }
    if objective.normalise == "rank":
        columns = {name: ranks(values) for name, values in columns.items()}
    return np.sum([getattr(terms, name) * values for name, values in columns.items()], axis=0)


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value between 0 and 1; equal ones share a rank. Shape (N,)."""
    if len(values) < 2:
        return np.zeros(len(values))
    below = (values[:, None] > values[None, :]).sum(1)
    equal = (values[:, None] == values[None, :]).sum(1) - 1
    return (below + 0.5 * equal) / (len(values) - 1)


def groups_of(attempts: Sequence[Trajectory]) -> list[list[Trajectory]]:
    """Return the attempts from each initial state."""
    groups: dict[int, list[Trajectory]] = {}
    for attempt in attempts:
        groups.setdefault(attempt.start, []).append(attempt)
    return list(groups.values())


def make_pairs(attempts: Sequence[Trajectory], objective: Objective) -> list[Pair]:
    """Return the best attempts of each initial state with its worst: first with last, and so on.

    Attempts that differ by less than the objective's margin make no pair.

    Args:
        attempts: Several of each initial state.
        objective: What is preferred.

    Raises:
        ConfigError: If no state gives a pair.
    """
    groups, pairs = groups_of(attempts), []
    for group in groups:
        worth = rewards(group, objective)
        most = min(objective.pairs, len(group) // 2)
        falling, rising = (np.argsort(sign * worth, kind="stable")[:most] for sign in (-1, 1))
        for best, worst in zip(falling, rising, strict=True):
            gap = float(worth[best] - worth[worst])
            if gap >= objective.margin:
                pairs.append(Pair(group[best], group[worst], gap))
    if not pairs:
        raise ConfigError(
            f"no pair: of {len(groups)} initial states none has attempts whose rewards differ by "
            f"{objective.margin:g}; take more attempts, or a higher temperature"
        )
    return pairs


def random_pairs(attempts: Sequence[Trajectory], rng: np.random.Generator) -> list[Pair]:
    """Return for each initial state a success and a failure drawn at random, where it has both.

    Raises:
        ConfigError: If no state has both.
    """
    pairs = []
    for group in groups_of(attempts):
        good, bad = ([a for a in group if a.success == wanted] for wanted in (True, False))
        if good and bad:
            pairs.append(Pair(good[rng.integers(len(good))], bad[rng.integers(len(bad))], 1.0))
    if not pairs:
        raise ConfigError("no pair: no initial state has both a success and a failure")
    return pairs
