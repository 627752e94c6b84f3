"""Intervals of one cell, against published examples and numbers worked out by hand."""

import numpy as np
import pytest
from scipy.stats import binom

from robot_policies.evaluation import statistics


def test_wilson_interval_is_that_of_the_published_examples():
    # Newcombe 1998 (two-sided intervals for the single proportion), table I, method 3.
    estimate = statistics.rate(81, 263)
    assert (estimate.low, estimate.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    estimate = statistics.rate(15, 148)
    assert (estimate.low, estimate.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    estimate = statistics.rate(1, 29)
    assert (estimate.low, estimate.high) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_no_failure_in_48_episodes_is_not_certainty():
    # z^2 / (n + z^2) with z = 1.959964.
    estimate = statistics.rate(0, 48)
    assert estimate.low == 0.0
    assert estimate.high == pytest.approx(3.841459 / (48 + 3.841459), abs=1e-6)


def test_t_interval_by_hand():
    # Mean 2, standard deviation 1, t(0.975, 2) = 4.302653, half width 4.302653 / sqrt 3.
    estimate = statistics.mean([1.0, 2.0, 3.0])
    assert estimate.mean == 2.0
    assert estimate.high == pytest.approx(2.0 + 2.484138, abs=1e-5)
    assert estimate.low == pytest.approx(2.0 - 2.484138, abs=1e-5)


def test_an_interval_ends_where_the_values_do():
    values = [1.0, 1.0, 0.4]
    assert statistics.mean(values).high > 1.2
    estimate = statistics.mean(values, (0.0, 1.0))
    assert (estimate.low, estimate.high) == (0.0, 1.0)
    assert statistics.mean([0.4, 0.5, 0.6], (0.0, 1.0)) == statistics.mean([0.4, 0.5, 0.6])


def test_a_zero_one_metric_is_a_rate():
    assert statistics.mean([0.0] * 48) == statistics.rate(0, 48)


def test_one_value_has_a_mean_but_no_interval():
    assert statistics.mean([0.3]).to_json() == {"mean": 0.3, "ci95": None}
    assert statistics.mean([]).to_json() == {"mean": None, "ci95": None}


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Wilson's, as the READMEs of fieldtrial and robot-report-card print them
        (17, 20, 64.0, 94.8),
        (14, 20, 48.1, 85.5),
        (74, 80, 84.6, 96.5),
        (91, 120, 67.4, 82.6),
        (0, 200, 0.0, 1.9),
        (29, 200, 10.3, 20.0),
    ],
)
def test_wilson_intervals_of_published_evaluations(successes, trials, low, high):
    estimate = statistics.rate(successes, trials)
    assert (100.0 * estimate.low, 100.0 * estimate.high) == pytest.approx((low, high), abs=0.05)


def test_clopper_pearson_as_published():
    # No success in 20: below 13.9 % with 95 % from one side (verdikt-eval's README).
    assert statistics.clopper_pearson(0, 20, 0.9).high == pytest.approx(0.139, abs=5e-4)


def coverage(interval, trials, rates):
    """Return how often the interval holds each rate, summed over all outcomes."""
    found = [interval(k, trials) for k in range(trials + 1)]
    low, high = (np.array([getattr(e, end) for e in found]) for end in ("low", "high"))
    inside = (low <= rates[:, None]) & (rates[:, None] <= high)
    return (binom.pmf(np.arange(trials + 1), trials, rates[:, None]) * inside).sum(axis=1)


def test_coverage_by_enumeration_is_that_of_the_publication():
    # robostats' README, n = 50: rates of 0.92, 0.98 and 0.99.
    rates = np.array([0.92, 0.98, 0.99])
    wilson = coverage(statistics.rate, 50, rates)
    exact = coverage(statistics.clopper_pearson, 50, rates)
    assert wilson == pytest.approx([0.9407, 0.9216, 0.9106], abs=5e-5)
    assert exact == pytest.approx([0.9679, 0.9822, 0.9862], abs=5e-5)


def test_wilson_covers_on_average_and_clopper_pearson_everywhere():
    rates = np.linspace(0.001, 0.999, 999)
    for trials in (20, 48, 200):
        assert 0.94 <= coverage(statistics.rate, trials, rates).mean() <= 0.96
        assert coverage(statistics.clopper_pearson, trials, rates).min() >= 0.95
    high = np.linspace(0.85, 0.99, 1401)
    assert coverage(statistics.rate, 48, high).min() == pytest.approx(0.8945, abs=5e-5)
