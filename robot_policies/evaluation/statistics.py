"""Intervals and paired tests, so that a difference is a finding and not a number.

A rate gets a Wilson interval, a mean Student's t interval. Episodes of two cells that share their
seeds share their initial conditions, hence are compared pairwise: success by McNemar's exact test
with Newcombe's interval, a metric by flipping the signs of the differences (which on zeros and
ones is McNemar's test) with a bootstrap interval.

References:
    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    Newcombe, "Improved confidence intervals for the difference between binomial proportions based
    on paired data", Statistics in Medicine 17, 1998, method 10.
    Fisher, "The Design of Experiments", 1935, section 21 (the sign-flip test).
    Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69,
    2015, section 5.1 (expanded percentile interval).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 10_000  # Monte-Carlo error of a p of 0.05: 0.002
ENUMERATED = 12  # pairs up to which all sign patterns are tried


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


def mean(values: Sequence[float], bounds: tuple[float, float] | None = None) -> Estimate:
    """Estimate a mean.

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
    """Compare a metric on the same seeds: sign-flip test, bootstrap interval.

    If the policies were alike, each pairwise difference could as well have the other sign; p is
    the share of sign patterns whose mean is as far from 0. It holds for any number of pairs: two
    pairs cannot give less than 0.5. The percentile interval is expanded as Student's t would,
    since resampling alone is too narrow for few pairs. A metric of zeros and ones (`fall`) is
    compared as success is.

    Args:
        a: Metric per seed.
        b: The metric on the same seeds.
        seed: Of the resampling.
    """
    _check_pairs(a, b)
    if np.isin(np.concatenate((a, b)), (0.0, 1.0)).all():
        return compare_success([value == 1.0 for value in a], [value == 1.0 for value in b])
    differences = np.subtract(a, b, dtype=np.float64)
    rng = np.random.default_rng(seed)
    p = _sign_flip(differences, rng)
    low, high = _expanded_percentile(differences, rng)
    return Difference("sign_flip", p, float(differences.mean()), low, high)


def _sign_flip(differences: np.ndarray, rng: np.random.Generator) -> float:
    n, counted = len(differences), 0
    if n <= ENUMERATED:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs, counted = rng.choice((-1.0, 1.0), (RESAMPLES, n)), 1  # the observed pattern too
    limit = abs(differences.sum()) - 1e-9 * abs(differences).sum()  # equal but for rounding
    extreme = int((abs(signs @ differences) >= limit).sum())
    return (extreme + counted) / (len(signs) + counted)


def _expanded_percentile(differences: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    from scipy.stats import norm, t

    n = len(differences)
    if n < 2:
        return float(differences.min()), float(differences.max())
    tail = (1.0 - CONFIDENCE) / 2.0
    tail = float(norm.cdf(sqrt(n / (n - 1)) * t.ppf(tail, n - 1)))
    means = differences[rng.integers(0, n, (RESAMPLES, n))].mean(axis=1)
    low, high = np.quantile(means, (tail, 1.0 - tail))
    return float(low), float(high)


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
