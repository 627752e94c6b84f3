"""How far one backend tells what another will: Pearson's r and MMRV, with their intervals.

Few policies say little: with five, r = 0.98 may be 0.2. The interval is of both, the episodes of
each policy and the choice of the policies.

References:
    Li et al., "Evaluating Real-World Robot Manipulation Policies in Simulation", 2024 (MMRV).
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 8.
    Brown, Cai and DasGupta, "Interval estimation for a binomial proportion", 2001 (Jeffreys).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_policies.evaluation.statistics.estimates import ALPHA, Estimate

RESAMPLES = 4000
FEWEST = 3  # policies; two always lie on a line


@dataclass(frozen=True)
class Agreement:
    """How well a simulator's rates tell those of the robot.

    Attributes:
        pearson: Correlation of the rates.
        mmrv: Mean maximum rank violation, 0 where the order is the same: what is lost at most, in
            rate, by believing the simulator's order of two policies.
    """

    pearson: Estimate
    mmrv: Estimate


def agreement(
    *, sim: Sequence[tuple[int, int]], real: Sequence[tuple[int, int]], seed: int = 0
) -> Agreement:
    """Compare rates of the same policies.

    Args:
        sim: Successes and trials of each policy in the simulator.
        real: Those of the same policies on the robot, or in another simulator.
        seed: Of the resampling.

    Raises:
        ValueError: If the policies are not the same number.
    """
    if len(sim) != len(real):
        raise ValueError(f"rates of {len(sim)} and of {len(real)} policies cannot be compared")
    counts = np.array([sim, real], dtype=np.int64).reshape(2, -1, 2)  # (2, P, 2)
    rates = counts[..., 0] / counts[..., 1]
    found = pearson(sim=rates[0], real=rates[1]), mmrv(sim=rates[0], real=rates[1])
    if len(sim) < FEWEST:
        return Agreement(*map(Estimate, found))
    rng = np.random.default_rng(seed)
    again = np.empty((RESAMPLES, 2))
    for row in again:
        chosen = counts[:, rng.integers(0, len(sim), len(sim))]
        # Rates that fit the counts (Jeffreys' posterior), so that 20 of 20 is no certainty.
        drawn = rng.beta(chosen[..., 0] + 0.5, chosen[..., 1] - chosen[..., 0] + 0.5)
        r = pearson(sim=drawn[0], real=drawn[1])
        row[:] = np.nan if r is None else r, mmrv(sim=drawn[0], real=drawn[1])
    ends = np.nanquantile(again, (ALPHA / 2.0, 1.0 - ALPHA / 2.0), axis=0)
    return Agreement(
        *(
            Estimate(value, float(low), float(high)) if value is not None else Estimate(None)
            for value, low, high in zip(found, *ends, strict=True)
        )
    )


def pearson(*, sim: np.ndarray, real: np.ndarray) -> float | None:
    """Return the correlation of two lists of rates, `None` if one is constant.

    Args:
        sim: Rate of each policy in the simulator. Shape (P,).
        real: Rate of each on the robot. Shape (P,).
    """
    deviations = [np.subtract(rates, np.mean(rates)) for rates in (sim, real)]
    sizes = [float(np.linalg.norm(each)) for each in deviations]
    if min(sizes) < 1e-12:
        return None
    return float(deviations[0] @ deviations[1] / (sizes[0] * sizes[1]))


def mmrv(*, sim: np.ndarray, real: np.ndarray) -> float:
    """Return the mean maximum rank violation (Li et al. 2024, section IV); not symmetric.

    Args:
        sim: Rate of each policy in the simulator. Shape (P,).
        real: Rate of each on the robot. Shape (P,).
    """
    sim, real = np.asarray(sim), np.asarray(real)
    violated = (sim[:, None] < sim) != (real[:, None] < real)  # (P, P)
    return float((abs(real[:, None] - real) * violated).max(axis=1).mean())
