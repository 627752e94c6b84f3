"""Intervals and paired tests, so that a difference is a finding and not a number.

A rate gets a Wilson interval, a mean Student's t interval. Episodes of two cells that share their
seeds share their initial conditions, hence are compared pairwise: success by McNemar's exact test
with Newcombe's interval, a metric by bootstrap of the mean difference.

References:
    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    Newcombe, "Improved confidence intervals for the difference between binomial proportions based
    on paired data", Statistics in Medicine 17, 1998, method 10.
    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 15.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 10_000  # Monte-Carlo error of a p of 0.05: 0.002


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % confidence interval.

    Attributes:
        mean: Mean of the sample; `None` of an empty one.
        low: Lower end; `None` where the sample is too small to say.
        high: Upper end, likewise.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | list[float] | None]:
        """Return `{"mean", "ci95"}`."""
        known = self.low is not None and self.high is not None
        return {"mean": self.mean, "ci95": [self.low, self.high] if known else None}  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class Difference:
    """How far sample a lies above sample b.

    Attributes:
        test: Name of the test.
        p: Two-sided p value of "no difference".
        difference: Mean of a minus mean of b.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    test: str
    p: float
    difference: float
    low: float
    high: float


def rate(successes: int, trials: int) -> Estimate:
    """Estimate a probability with Wilson's score interval."""
    if trials == 0:
        return Estimate(None)
    low, high = _wilson(successes, trials)
    return Estimate(successes / trials, low, high)


def mean(values: Sequence[float]) -> Estimate:
    """Estimate a mean.

    Student's t interval; where every value is 0 or 1 (`fall`, `collision`) it is a rate and gets
    Wilson's interval, because t would claim certainty after a few equal outcomes.
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
    return Estimate(center, center - half, center + half)


def compare_success(a: Sequence[bool], b: Sequence[bool]) -> Difference:
    """Compare two policies on the same seeds: McNemar's exact test, Newcombe's interval.

    Args:
        a: Outcome per seed.
        b: Outcomes on the same seeds.
    """
    from scipy.stats import binomtest

    _check_pairs(a, b)
    pairs = list(zip(map(bool, a), map(bool, b), strict=True))
    both, only_a = pairs.count((True, True)), pairs.count((True, False))
    only_b, neither = pairs.count((False, True)), pairs.count((False, False))
    discordant = only_a + only_b
    p = float(binomtest(only_a, discordant, 0.5).pvalue) if discordant else 1.0
    low, high = _newcombe(both, only_a, only_b, neither)
    return Difference("mcnemar_exact", p, (only_a - only_b) / len(pairs), low, high)


def compare_means(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Difference:
    """Compare a metric on the same seeds by bootstrap of the mean pairwise difference.

    The interval is the percentile interval. The p value resamples the differences shifted to mean
    0, and counts itself among the resamples, so it is never 0.

    Args:
        a: Metric per seed.
        b: The metric on the same seeds.
        seed: Of the resampling.
    """
    _check_pairs(a, b)
    differences = np.subtract(a, b, dtype=np.float64)
    center = float(differences.mean())
    rng = np.random.default_rng(seed)
    n = len(differences)
    picks = rng.integers(0, n, (RESAMPLES, n))
    means = differences[picks].mean(axis=1)
    low, high = np.quantile(means, [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0])
    tolerance = 1e-12 * max(abs(differences).max(), 1e-300)
    extreme = int((abs(means - center) >= abs(center) - tolerance).sum())
    p = (1 + extreme) / (1 + RESAMPLES)
    return Difference("paired_bootstrap", p, center, float(low), float(high))


def _check_pairs(a: Sequence, b: Sequence) -> None:
    if len(a) != len(b) or len(a) == 0:
        raise ValueError(f"pairs need equally long samples, got {len(a)} and {len(b)}")


def _wilson(successes: int, trials: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    # Rounding leaves 1e-18 where the formula gives exactly 0, and 1 - 1e-16 for 1.
    low = 0.0 if successes == 0 else float(interval.low)
    return low, 1.0 if successes == trials else float(interval.high)


def _newcombe(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """Newcombe 1998, method 10; e, f, g, h there are the four counts here."""
    n = both + only_a + only_b + neither
    a, b = both + only_a, both + only_b
    low_a, high_a = _wilson(a, n)
    low_b, high_b = _wilson(b, n)
    product = a * (n - a) * b * (n - b)
    covariance = both * neither - only_a * only_b
    if covariance > 0:
        covariance = max(covariance - n / 2.0, 0.0)
    phi = covariance / sqrt(product) if product else 0.0
    below_a, above_a = a / n - low_a, high_a - a / n
    below_b, above_b = b / n - low_b, high_b - b / n
    down = below_a**2 - 2.0 * phi * below_a * above_b + above_b**2
    up = below_b**2 - 2.0 * phi * below_b * above_a + above_a**2
    difference = (a - b) / n
    return difference - sqrt(max(down, 0.0)), difference + sqrt(max(up, 0.0))
