"""Training recipes: what is found of several trainings, each with a seed of its own.

One training is one draw from what a recipe gives, whatever the number of its episodes. So a
recipe's sample are the rates of its trainings, and its size is their number.

References:
    Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021.
    Welch, "The generalization of Student's problem", Biometrika 34, 1947.
"""

import warnings
from collections.abc import Sequence
from typing import Any

from robot_policies.evaluation.statistics.estimates import CONFIDENCE, Difference, Estimate
from robot_policies.evaluation.statistics.single import mean

FEWEST = 2  # trainings of each recipe that say how much trainings differ
RATE = (0.0, 1.0)


def recipe(rates: Sequence[float]) -> Estimate:
    """Return a recipe's success rate with Student's t interval over its trainings.

    Args:
        rates: Success rate of each training.
    """
    if len(rates) < FEWEST:
        return Estimate(rates[0] if rates else None)
    if len(set(rates)) == 1:  # equal rates do not say that there is no spread
        return Estimate(rates[0])
    return mean(rates, RATE)


def compare_recipes(a: Sequence[float], b: Sequence[float]) -> Difference | None:
    """Compare two recipes: Welch's t test over their trainings.

    Args:
        a: Success rate of each training of one.
        b: Success rate of each training of the other.

    Returns:
        `None` where a recipe has one training, or no training differs from another.
    """
    from scipy.stats import ttest_ind

    if min(len(a), len(b)) < FEWEST or (len(set(a)) == 1 and len(set(b)) == 1):
        return None
    with warnings.catch_warnings():
        # SciPy doubts the variance of one recipe whose trainings are all alike: it is 0.
        warnings.simplefilter("ignore", RuntimeWarning)
        found: Any = ttest_ind(a, b, equal_var=False)
    ends = found.confidence_interval(CONFIDENCE)
    difference = sum(a) / len(a) - sum(b) / len(b)
    return Difference(
        "welch_t", float(found.pvalue), difference, float(ends.low), float(ends.high)
    )
