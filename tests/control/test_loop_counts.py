import numpy as np
import pytest

from robot_policies.control.loop_counts import LoopCounts
from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.verdict import Level, Verdict
from robot_policies.interface import Command

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


def test_steps_before_the_first_answer_are_told_apart_from_those_without_an_action():
    counts = LoopCounts(PERIOD)
    nothing_yet = Verdict(Command(0.0, np.zeros(1)), Refusal(Cause.NO_ACTION, ""), Level.HOLD)
    for step in range(5):
        if step == 3:
            counts.answered(0.1)
        counts.settled(nothing_yet)
    assert counts.figures()["steps_before_first_answer"] == 3.0
    assert counts.refusals == {"no_action": 5}
