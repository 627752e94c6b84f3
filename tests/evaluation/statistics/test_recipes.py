"""What several trainings say of their recipe."""

import pytest

from robot_policies.evaluation.statistics.recipes import compare_recipes, recipe


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
