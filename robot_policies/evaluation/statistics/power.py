"""How many episodes a difference takes to be found, and which difference some episodes can find.

References:
    Fleiss, Levin and Paik, "Statistical Methods for Rates and Proportions", 2003, section 4.2.
    Duffy, "Asymptotic and exact power for the McNemar test", Biometrics 40, 1984.
"""

from math import ceil

import numpy as np

from robot_policies.evaluation.statistics.estimates import ALPHA
from robot_policies.interface import ConfigError

POWER = 0.8
MOST_PAIRS = 10_000
STEP = 0.001  # of a detectable difference


def trials_per_arm(base: float, to: float, power: float = POWER, alpha: float = ALPHA) -> int:
    """Return how many episodes each of two unpaired cells needs.

    Args:
        base: Success rate of one.
        to: Success rate of the other.
        power: Chance to find the difference.
        alpha: Chance of a false finding.

    Raises:
        ConfigError: If a rate is no rate, or both are the same.
    """
    from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail as size

    _check(base, to)
    found = size(abs(to - base), min(base, to), power, alpha=alpha, alternative="two-sided")
    return ceil(float(found))


def power_of_pairs(
    pairs: int, base: float, to: float, discordant: float | None = None, alpha: float = ALPHA
) -> float:
    """Return the chance that McNemar's exact test finds a difference, by enumeration.

    Args:
        pairs: Number of pairs.
        base: Success rate of one policy.
        to: Success rate of the other.
        discordant: Share of pairs in which one alone succeeds. By default that of outcomes that
            have nothing to do with each other, which is the most cautious.
        alpha: Chance of a false finding.

    Raises:
        ConfigError: If a rate is no rate, or the share cannot be.
    """
    from scipy.stats import binom

    share = _share(base, to, discordant)
    better = 0.5 + abs(to - base) / (2.0 * share)  # of a discordant pair, the chance of one side
    counts = np.arange(pairs + 1)
    limits = _limits(counts, alpha)
    found = binom.cdf(limits, counts, better) + binom.sf(counts - limits - 1, counts, better)
    return float(binom.pmf(counts, pairs, share) @ np.where(limits < 0, 0.0, found))


def pairs_needed(
    base: float, to: float, discordant: float | None = None, power: float = POWER
) -> int:
    """Return the least number of pairs with which the difference is found.

    Args:
        base: Success rate of one policy.
        to: Success rate of the other.
        discordant: As of `power_of_pairs`.
        power: Chance to find it.

    Raises:
        ConfigError: If a rate is no rate, or no number of pairs up to 10 000 suffices.
    """
    _share(base, to, discordant)
    high = 8
    while power_of_pairs(high, base, to, discordant) < power:
        high *= 2
        if high > MOST_PAIRS:
            raise ConfigError(f"more than {MOST_PAIRS} pairs to tell {base:g} from {to:g}")
    low = high // 2
    while high - low > 1:  # the power of an exact test rises in saw teeth; the least is near
        middle = (low + high) // 2
        enough = power_of_pairs(middle, base, to, discordant) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def detectable(pairs: int, base: float, power: float = POWER) -> float | None:
    """Return the least rate above `base` that some pairs tell from it, `None` if there is none.

    Args:
        pairs: Number of pairs.
        base: Success rate of one policy.
        power: Chance to find the difference.
    """
    rates = np.minimum(np.arange(base + STEP, 1.0 + STEP / 2.0, STEP), 1.0)
    low, high = 0, len(rates)
    while low < high:
        middle = (low + high) // 2
        if power_of_pairs(pairs, base, float(rates[middle])) >= power:
            high = middle
        else:
            low = middle + 1
    return float(rates[low]) if low < len(rates) else None


def _limits(counts: np.ndarray, alpha: float) -> np.ndarray:
    """Return at how many wins of the worse the test rejects, -1 if at none. Shape as `counts`."""
    from scipy.stats import binom

    limits = binom.ppf(alpha / 2.0, counts, 0.5).astype(np.int64)
    return limits - (2.0 * binom.cdf(limits, counts, 0.5) > alpha)


def _check(base: float, to: float) -> None:
    for rate in (base, to):
        if not 0.0 <= rate <= 1.0:
            raise ConfigError(f"{rate:g} is no rate: expected 0 to 1")
    if base == to:
        raise ConfigError(f"both rates are {base:g}: no number of episodes tells them apart")


def _share(base: float, to: float, discordant: float | None) -> float:
    _check(base, to)
    share = base * (1.0 - to) + to * (1.0 - base) if discordant is None else discordant
    least, most = abs(to - base), min(base + to, 2.0 - base - to)
    if not least <= share <= most:
        raise ConfigError(
            f"discordant {share:g} cannot be: from {base:g} to {to:g} it is {least:g} to {most:g}"
        )
    return share
