"""Two samples on the same seeds: their episodes share initial conditions, so they are pairs.

Success is compared by McNemar's exact test with Newcombe's interval. A metric is compared by
flipping the signs of the differences, which on zeros and ones is McNemar's test; its interval
holds the differences that this test does not reject, so that interval and p never disagree.

References:
    Newcombe, "Improved confidence intervals for the difference between binomial proportions based
    on paired data", Statistics in Medicine 17, 1998, method 10.
    Fisher, "The Design of Experiments", 1935, section 21 (the sign-flip test).
    Hartigan, "Using subsample values as typical values", JASA 64, 1969 (its interval).
"""

from collections.abc import Sequence
from math import floor, sqrt

import numpy as np

from robot_policies.evaluation.statistics.estimates import ALPHA, Difference
from robot_policies.evaluation.statistics.single import wilson

RESAMPLES = 10_000  # Monte-Carlo error of a p of 0.05: 0.002
ENUMERATED = 12  # pairs up to which all sign patterns are tried
ROUNDING = 1e-9  # of the differences' size: sums that are equal but for rounding


def compare_success(a: Sequence[bool], b: Sequence[bool]) -> Difference:
    """Compare two policies on the same seeds: McNemar's exact test, Newcombe's interval.

    Args:
        a: Outcome per seed.
        b: Outcomes on the same seeds.
    """
    from scipy.stats import binomtest

    _, only_a, only_b, _ = _counts(a, b)
    discordant = only_a + only_b
    p = float(binomtest(only_a, discordant, 0.5).pvalue) if discordant else 1.0
    return Difference("mcnemar_exact", p, *newcombe(a, b))


def compare_means(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Difference:
    """Compare a metric on the same seeds: sign-flip test and the interval that inverts it.

    If the policies were alike, each pairwise difference could as well have the other sign; p is
    the share of sign patterns whose mean is as far from 0. It holds for any number of pairs: five
    pairs cannot give less than 0.06, so up to five pairs have no interval. A metric of zeros and
    ones (`fall`) is compared as success is.

    Args:
        a: Metric per seed.
        b: The metric on the same seeds.
        seed: Of the sign patterns, where there are too many to try all.
    """
    _check_pairs(a, b)
    if np.isin(np.concatenate((a, b)), (0.0, 1.0)).all():
        return compare_success([value == 1.0 for value in a], [value == 1.0 for value in b])
    differences = np.subtract(a, b, dtype=np.float64)
    lower, upper = _flipped_means(differences, np.random.default_rng(seed))
    room = ROUNDING * float(abs(differences).mean())
    center = float(differences.mean())
    extreme = lower <= room if center > 0.0 else upper >= -room
    p = float((1 + extreme.sum()) / (1 + len(lower))) if abs(center) > room else 1.0
    low, high = _inverted(lower, upper)
    return Difference("sign_flip", p, center, low, high)


def _flipped_means(
    differences: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lesser and the greater mean of both halves of each split of the differences.

    Of the differences minus a number, let a sign pattern flip the half S. The sum of the flipped
    is as far from 0 as the sum of the plain, if and only if the number is not below the mean of S
    or the mean of the rest, the number being below the mean of all (above it: likewise). So the
    ordered means are the numbers at which the p value changes (Hartigan 1969). A pattern and its
    opposite are one split; the trivial one, which is as extreme always, is left out.
    """
    n = len(differences)
    if n <= ENUMERATED:
        flipped = np.arange(1, 2 ** (n - 1))[:, None] >> np.arange(n) & 1 == 1
    else:
        flipped = rng.random((RESAMPLES, n)) < 0.5
        count = flipped.sum(axis=1)
        flipped = flipped[(count > 0) & (count < n)]
    inside = flipped.sum(axis=1)
    of_flipped = flipped @ differences / inside
    of_rest = ~flipped @ differences / (n - inside)
    return np.minimum(of_flipped, of_rest), np.maximum(of_flipped, of_rest)


def _inverted(lower: np.ndarray, upper: np.ndarray) -> tuple[float | None, float | None]:
    """Return the least and the greatest number that the test does not reject."""
    rejected = floor(ALPHA * (1 + len(lower)) + ROUNDING)  # splits, the trivial one included
    if rejected < 1:
        return None, None
    low = float(np.partition(lower, rejected - 1)[rejected - 1])
    return low, float(-np.partition(-upper, rejected - 1)[rejected - 1])


def _check_pairs(a: Sequence, b: Sequence) -> None:
    if len(a) != len(b) or len(a) == 0:
        raise ValueError(f"pairs need equally long samples, got {len(a)} and {len(b)}")


def _counts(a: Sequence[bool], b: Sequence[bool]) -> tuple[int, int, int, int]:
    """Return how many pairs both, only a, only b and neither succeeded in."""
    _check_pairs(a, b)
    pairs = list(zip(map(bool, a), map(bool, b), strict=True))
    kinds = ((True, True), (True, False), (False, True), (False, False))
    both, only_a, only_b, neither = map(pairs.count, kinds)
    return both, only_a, only_b, neither


def newcombe(a: Sequence[bool], b: Sequence[bool]) -> tuple[float, float, float]:
    """Return the difference of two rates and the ends of its interval.

    Newcombe 1998, method 10; e, f, g, h there are the four counts here.
    """
    both, only_a, only_b, neither = _counts(a, b)
    n = len(a)
    of_a, of_b = both + only_a, both + only_b
    low_a, high_a = wilson(of_a, n)
    low_b, high_b = wilson(of_b, n)
    product = of_a * (n - of_a) * of_b * (n - of_b)
    covariance = both * neither - only_a * only_b
    if covariance > 0:
        covariance = max(covariance - n / 2.0, 0.0)
    phi = covariance / sqrt(product) if product else 0.0
    below_a, above_a = of_a / n - low_a, high_a - of_a / n
    below_b, above_b = of_b / n - low_b, high_b - of_b / n
    down = below_a**2 - 2.0 * phi * below_a * above_b + above_b**2
    up = below_b**2 - 2.0 * phi * below_b * above_a + above_a**2
    difference = (of_a - of_b) / n
    return difference, difference - sqrt(max(down, 0.0)), difference + sqrt(max(up, 0.0))
