"""What several trainings say of their recipe."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from robot_policies.evaluation.statistics.recipes import compare_recipes, recipe
from robot_policies.evaluation.statistics.single import rate


def test_the_sample_is_the_trainings_not_their_episodes():
    # Mean 0.8, standard deviation 0.1, t(0.975, 2) = 4.302653, half width 4.302653 * 0.1 / sqrt 3.
    found = recipe([0.7, 0.8, 0.9])
    assert found.mean == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8 - 0.2484138, abs=1e-6)
    assert found.high == 1.0


@pytest.mark.parametrize("rates", [[0.8], [0.8, 0.8, 0.8]])
def test_trainings_that_do_not_differ_say_nothing_about_the_next(rates):
    assert (recipe(rates).mean, recipe(rates).low) == (0.8, None)
    assert compare_recipes(rates, rates) is None


def test_two_recipes_by_hand():
    # Welch: difference 0.2, standard error sqrt(2 * 0.01 / 3), 4 degrees of freedom, t 2.449490.
    found = compare_recipes([0.7, 0.8, 0.9], [0.5, 0.6, 0.7])
    assert found.difference == pytest.approx(0.2)
    assert found.p == pytest.approx(0.0704840, abs=1e-6)
    assert found.high == pytest.approx(0.2 + 2.776445 * 0.0816497, abs=1e-6)


def test_one_recipe_may_be_alike_in_all_trainings():
    # Welch: difference 0.2, standard error 0.1 / sqrt 3, 2 degrees of freedom.
    found = compare_recipes([0.8, 0.8, 0.8], [0.5, 0.6, 0.7])
    assert found.high == pytest.approx(0.2 + 4.302653 * 0.0577350, abs=1e-6)


def test_recipes_that_do_not_differ_are_rarely_told_apart_whose_episodes_often_are():
    """Trainings of one recipe succeed in 0.7 of episodes, with a standard deviation of 0.08."""
    rng = np.random.default_rng(0)
    runs, episodes = 600, 48
    rates = np.clip(rng.normal(0.7, 0.08, (runs, 2, 3)), 0.0, 1.0)
    won = rng.binomial(episodes, rates)
    told = pooled = covered = held = 0
    for one, other in won:
        compared = compare_recipes((one / episodes).tolist(), (other / episodes).tolist())
        told += compared is not None and compared.p <= 0.05
        totals = [one.sum(), other.sum()]
        pooled += fisher_exact([totals, [3 * episodes - each for each in totals]]).pvalue <= 0.05
        found, naive = recipe((one / episodes).tolist()), rate(int(one.sum()), 3 * episodes)
        covered += found.low is None or found.low <= 0.7 <= found.high
        held += naive.low <= 0.7 <= naive.high
    assert told <= 0.06 * runs
    assert pooled > 0.1 * runs
    assert covered >= 0.94 * runs
    assert held < 0.85 * runs
