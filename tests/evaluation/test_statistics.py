"""Statistics against published examples and numbers worked out by hand."""

import numpy as np
import pytest

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


def outcomes(both: int, only_a: int, only_b: int, neither: int) -> tuple[list[bool], list[bool]]:
    a = [True] * both + [True] * only_a + [False] * only_b + [False] * neither
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return a, b


def test_mcnemar_exact_by_hand():
    # 12 against 2 discordant pairs: 2 * (C(14,0) + C(14,1) + C(14,2)) / 2^14 = 212 / 16384.
    result = statistics.compare_success(*outcomes(36, 12, 2, 0))
    assert result.test == "mcnemar_exact"
    assert result.p == pytest.approx(212 / 16384)
    assert result.difference == pytest.approx(0.2)


def test_newcombe_interval_is_that_of_the_published_example():
    # Newcombe 1998 (paired data), table III, column (36, 12, 2, 0), method 10.
    result = statistics.compare_success(*outcomes(36, 12, 2, 0))
    assert (result.low, result.high) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_equal_outcomes_are_no_evidence_and_no_certainty():
    result = statistics.compare_success([True] * 10, [True] * 10)
    assert (result.p, result.difference) == (1.0, 0.0)
    assert result.low < -0.2
    assert result.high > 0.2


def test_sign_flips_by_hand():
    # Differences 1, 2, 3: of the 8 sign patterns only +++ and --- are as far from 0.
    result = statistics.compare_means([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert (result.test, result.p, result.difference) == ("sign_flip", 0.25, 2.0)
    # Differences 3, -1: all of +-3 +-1 with |sum| >= 2, that is every pattern.
    assert statistics.compare_means([3.0, 1.0], [0.0, 2.0]).p == 1.0


def test_two_pairs_prove_nothing():
    result = statistics.compare_means([5.0, 6.0], [1.0, 2.5])
    assert result.p == 0.5
    assert (result.low, result.high) == (3.5, 4.0)  # the most that two pairs can say


def test_equal_samples_do_not_differ():
    a = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    result = statistics.compare_means(a, a)
    assert (result.p, result.difference, result.low, result.high) == (1.0, 0.0, 0.0, 0.0)


def test_zeros_and_ones_are_compared_as_success_is():
    a, b = outcomes(36, 12, 2, 0)
    as_numbers = [float(x) for x in a], [float(x) for x in b]
    assert statistics.compare_means(*as_numbers) == statistics.compare_success(a, b)


def test_comparison_of_means_agrees_with_the_t_test_where_both_hold():
    rng = np.random.default_rng(3)
    b = rng.normal(0.0, 1.0, 200)
    a = b + rng.normal(0.15, 1.0, 200)
    from scipy.stats import ttest_rel

    result, reference = statistics.compare_means(a, b), ttest_rel(a, b)
    interval = reference.confidence_interval()
    assert result.p == pytest.approx(reference.pvalue, abs=0.01)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high), abs=0.02)


def test_resampling_is_reproducible():
    a, b = [1.0, 2.0, 4.0], [1.5, 1.0, 3.0]
    assert statistics.compare_means(a, b) == statistics.compare_means(a, b)


def test_refuses_samples_that_are_no_pairs():
    with pytest.raises(ValueError, match="3 and 2"):
        statistics.compare_means([1.0, 2.0, 3.0], [1.0, 2.0])
