"""Sample sizes, against published ones and against what simulation finds."""

import numpy as np
import pytest

from robot_policies.evaluation.statistics import compare_success
from robot_policies.evaluation.statistics.power import (
    detectable,
    pairs_needed,
    power_of_pairs,
    trials_per_arm,
)
from robot_policies.interface import ConfigError


@pytest.mark.parametrize(
    ("base", "to", "arm"), [(0.7, 0.85, 121), (0.75, 0.85, 250), (0.76, 0.9, 112)]
)
def test_published_sample_sizes(base, to, arm):
    assert trials_per_arm(base, to) == trials_per_arm(to, base) == arm


def test_the_power_of_pairs_is_what_the_test_finds():
    rng = np.random.default_rng(0)
    a, b = rng.random((500, 60)) < 0.8, rng.random((500, 60)) < 0.5
    found = np.mean([compare_success(*pair).p <= 0.05 for pair in zip(a, b, strict=True)])
    assert power_of_pairs(60, 0.5, 0.8) == pytest.approx(found, abs=0.05)


def test_pairs_that_agree_more_need_fewer():
    chance = pairs_needed(0.7, 0.85)
    assert power_of_pairs(chance, 0.7, 0.85) >= 0.8
    assert power_of_pairs(chance // 2, 0.7, 0.85) < 0.8
    assert pairs_needed(0.7, 0.85, discordant=0.2) < chance
    assert pairs_needed(0.85, 0.7) == chance


def test_the_least_rate_that_is_told_apart():
    least = detectable(50, 0.7)
    assert power_of_pairs(50, 0.7, least) >= 0.8
    assert power_of_pairs(50, 0.7, least - 0.002) < 0.8
    assert detectable(3, 0.7) is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((0.7, 0.7), "both rates are 0.7"),
        ((0.7, 1.2), "1.2 is no rate"),
        ((0.5, 0.8, 0.1), "discordant 0.1 cannot be: from 0.5 to 0.8 it is 0.3 to 0.7"),
        ((0.5, 0.5001), "more than 10000 pairs"),
    ],
)
def test_refuses_what_cannot_be(asked, message):
    with pytest.raises(ConfigError, match=message):
        pairs_needed(*asked)
