"""Intervals of one cell: a success rate, a mean.

Wilson's interval covers the rate in 95 % of evaluations on average over rates; for one rate it may
be less, 89 % for 48 episodes at 99 %. Clopper and Pearson's covers at least 95 % for every rate.

References:
    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from robot_policies.evaluation.statistics.estimates import CONFIDENCE, Estimate


def rate(successes: int, trials: int) -> Estimate:
    """Return a success rate with Wilson's interval.

    Args:
        successes: Number of successes.
        trials: Number of trials.
    """
    if trials == 0:
        return Estimate(None)
    return Estimate(successes / trials, *wilson(successes, trials))


def clopper_pearson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Estimate:
    """Return a success rate with the interval of Clopper and Pearson.

    Args:
        successes: Number of successes.
        trials: Number of trials.
        confidence: Of the interval; 0.9 gives ends that hold with 95 % each.
    """
    from scipy.stats import binomtest

    if trials == 0:
        return Estimate(None)
    found = binomtest(successes, trials).proportion_ci(confidence, method="exact")
    return Estimate(successes / trials, float(found.low), float(found.high))


def mean(values: Sequence[float], bounds: tuple[float, float] | None = None) -> Estimate:
    """Return a mean with its interval.

    Student's t interval; where every value is 0 or 1 (`fall`, `collision`) it is a rate and gets
    Wilson's interval, because t would claim certainty after a few equal outcomes.

    Args:
        values: The sample.
        bounds: Least and greatest value there can be. The mean lies between them too, so the
            interval loses nothing by ending there.
    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) == 0:
        return Estimate(None)
    if np.isin(sample, (0.0, 1.0)).all():
        return rate(int(sample.sum()), len(sample))
    center = float(sample.mean())
    if len(sample) < 2:
        return Estimate(center)
    from scipy.stats import t

    half = float(t.ppf(0.5 + CONFIDENCE / 2.0, len(sample) - 1) * sample.std(ddof=1))
    half /= sqrt(len(sample))
    low, high = bounds or (-np.inf, np.inf)
    return Estimate(center, max(center - half, low), min(center + half, high))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the ends of Wilson's interval."""
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    # Rounding leaves 1e-18 where the formula gives exactly 0, and 1 - 1e-16 for 1.
    low = 0.0 if successes == 0 else float(interval.low)
    return low, 1.0 if successes == trials else float(interval.high)
