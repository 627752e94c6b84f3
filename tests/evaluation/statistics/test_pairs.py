"""Paired samples, against published examples and numbers worked out by hand."""

import numpy as np
import pytest

from robot_policies.evaluation import statistics


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


def test_five_pairs_prove_nothing():
    result = statistics.compare_means([5.0, 6.0, 7.0, 8.0, 9.0], [1.0, 2.5, 1.0, 1.0, 1.0])
    assert (result.p, result.low, result.high) == (1 / 16, None, None)


def test_the_interval_of_six_pairs_by_hand():
    # 32 splits, of which 0.05 rejects one, the trivial one: the ends are the extreme half means.
    result = statistics.compare_means([1.0, 2.0, 3.0, 4.0, 5.0, 7.0], [0.0] * 6)
    assert (result.p, result.low, result.high) == (1 / 32, 1.0, 7.0)


@pytest.mark.parametrize("pairs", [6, 9, 12, 20])
def test_interval_and_p_say_the_same_and_cover_as_often_as_they_should(pairs):
    rng = np.random.default_rng(pairs)
    covered, runs = 0, 400
    for run in range(runs):
        sample = 0.4 + rng.exponential(1.0, pairs) * rng.choice((-1.0, 1.0), pairs)
        result = statistics.compare_means(sample.tolist(), [0.0] * pairs, seed=run)
        assert (result.p <= 0.05) == (result.low > 0.0 or result.high < 0.0)
        covered += result.low <= 0.4 <= result.high
    assert covered >= 0.95 * runs - 2.0 * (runs * 0.95 * 0.05) ** 0.5


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


def test_no_discordant_pair_is_no_evidence():
    assert statistics.compare_success([True, False], [True, False]).p == 1.0


def test_published_paired_counts():
    # 11 against 2 discordant of 28; 0 of 200 against 29 of 200 (robot-report-card's README).
    result = statistics.compare_success(*outcomes(10, 11, 2, 5))
    assert result.p == 0.0224609375
    assert (result.low, result.high) == pytest.approx((0.07480, 0.51779), abs=5e-6)
    result = statistics.compare_success(*outcomes(0, 29, 0, 171))
    assert result.p == pytest.approx(3.725e-9, rel=1e-3)
    assert (result.low, result.high) == pytest.approx((0.099, 0.200), abs=5e-4)
