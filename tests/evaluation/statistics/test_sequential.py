"""A test that may be looked at after every pair."""

import numpy as np
import pytest

from robot_policies.evaluation.statistics.sequential import watch


def test_the_capital_by_hand():
    # Two wins: 2^2 times B(5/2, 1/2) / B(1/2, 1/2) = 4 * 3/8.
    assert watch([True, True], [False, False]).capital == pytest.approx(1.5)
    assert watch([True, False], [False, True]).capital == pytest.approx(0.5)


def test_pairs_that_end_alike_say_nothing():
    found = watch([True, False] * 50, [True, False] * 50)
    assert (found.capital, found.p, found.decided_after) == (1.0, 1.0, None)


def test_it_stops_as_soon_as_it_is_sure_and_stays_so():
    found = watch([True] * 20, [False] * 20)
    assert found.decided_after == 7
    again = watch([True] * 7 + [False] * 40, [False] * 7 + [True] * 40)
    assert again.decided_after == 7
    assert watch([True] * 20, [False] * 20, alpha=0.001).decided_after == 13


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_false_findings_are_rarer_than_declared_however_often_one_looks(rate):
    rng = np.random.default_rng(1)
    runs = 1000
    a, b = rng.random((2, runs, 300)) < rate
    found = sum(watch(*pair).decided_after is not None for pair in zip(a, b, strict=True))
    assert found <= 0.05 * runs


def test_a_large_difference_is_found_early():
    rng = np.random.default_rng(2)
    a, b = rng.random((200, 200)) < 0.8, rng.random((200, 200)) < 0.3
    ended = [watch(*pair).decided_after for pair in zip(a, b, strict=True)]
    assert None not in ended
    assert np.median(ended) < 40


def test_a_long_run_is_no_overflow():
    assert np.isfinite(watch([True] * 3000, [False] * 3000).capital)
