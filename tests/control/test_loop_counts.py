import pytest

from robot_policies.control.loop_counts import LoopCounts

PERIOD = 0.02  # s


def test_periods_of_a_long_trial_are_counted_from_its_first_step():
    counts, now = LoopCounts(PERIOD), 5.0
    for k in range(25_001):
        counts.measured(now)
        now += {0: 0.028, 10: 3 * PERIOD, 20: 0.042}.get(k, PERIOD)
    figures = counts.figures()
    assert figures["steps_missed"] == 3, "two of the eleventh period, one of that of 42 ms"
    assert figures["loop_period_first_ms"] == pytest.approx(28.0)
    assert figures["loop_period_max_ms"] == pytest.approx(60.0)
    total = 25_000 * PERIOD + 0.008 + 2 * PERIOD + 0.022
    assert figures["loop_rate_mean_hz"] == pytest.approx(25_000 / total)
    rates = [1 / 0.028, 1 / 0.06, 1 / 0.042, *[50.0] * 24_997]
    mean = sum(rates) / len(rates)
    variance = sum((rate - mean) ** 2 for rate in rates) / len(rates)
    assert figures["loop_rate_std_hz"] == pytest.approx(variance**0.5)
