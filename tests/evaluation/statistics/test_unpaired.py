"""Rates without common seeds: a published sweep of a policy server, each arm against 91 of 120."""

import numpy as np
import pytest

from robot_policies.evaluation.statistics.families import holm
from robot_policies.evaluation.statistics.unpaired import compare_rates

BASE = (91, 120)
SWEEP = {  # successes, trials, Newcombe's interval in points, Boschloo's p, Holm's
    "R50_B20": (74, 80, 6.25, 25.96, 0.00196, 0.01569),
    "R50_B16": (35, 40, -3.54, 22.61, 0.13235, 0.50444),
    "R50_B25": (68, 80, -2.43, 19.60, 0.12611, 0.50444),
    "R50_B1": (32, 40, -12.07, 16.84, 0.62569, 1.0),
    "R50_B25_compiled": (29, 40, -20.10, 10.81, 0.68274, 1.0),
    "R50_B50": (22, 40, -37.45, -4.26, 0.01546, 0.07728),
    "sync_no_rtc": (21, 40, -39.80, -6.53, 0.00702, 0.04210),
    "R25_B50": (20, 40, -42.11, -8.82, 0.00299, 0.02093),
}


def test_a_published_sweep():
    found = {arm: compare_rates(a=(row[0], row[1]), b=BASE) for arm, row in SWEEP.items()}
    for arm, (_, _, low, high, p, _) in SWEEP.items():
        assert 100.0 * found[arm].low == pytest.approx(low, abs=0.005)
        assert 100.0 * found[arm].high == pytest.approx(high, abs=0.005)
        assert found[arm].p == pytest.approx(p, abs=5e-6)
    corrected = holm([result.p for result in found.values()])
    assert corrected == pytest.approx([row[5] for row in SWEEP.values()], abs=1e-5)


def test_more_published_counts():
    result = compare_rates(a=(17, 20), b=(14, 20))
    assert result.p == pytest.approx(0.2871, abs=5e-5)
    assert (result.low, result.high) == pytest.approx((-0.111, 0.390), abs=5e-4)
    assert compare_rates(a=(7, 20), b=(14, 20)).p == pytest.approx(0.0385, abs=5e-5)
    found = compare_rates(a=(40, 50), b=(14, 50), test="barnard")
    assert found.p == pytest.approx(1.19e-7, abs=5e-10)


@pytest.mark.parametrize("test", ["boschloo", "barnard"])
def test_false_findings_are_rare_at_every_rate(test):
    trials = 6
    rejects = np.array(
        [
            [compare_rates(a=(i, trials), b=(j, trials), test=test).p <= 0.05 for j in range(7)]
            for i in range(7)
        ]
    )
    from scipy.stats import binom

    for rate in np.linspace(0.05, 0.95, 19):
        chance = binom.pmf(np.arange(7), trials, rate)
        assert chance @ rejects @ chance <= 0.05 + 1e-3
