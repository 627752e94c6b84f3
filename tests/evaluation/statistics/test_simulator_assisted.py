"""Few trials on the robot and many in the simulator."""

import numpy as np
import pytest

from robot_policies.evaluation.statistics import rate
from robot_policies.evaluation.statistics.simulator_assisted import rate_with_simulator


def outcomes(rng, count, agree):
    """Draw outcomes of a robot and of a simulator that is wrong sometimes, and too kind."""
    real = rng.random(count) < 0.6
    return real, np.where(rng.random(count) < agree, real, rng.random(count) < 0.9)


@pytest.mark.parametrize(("agree", "least", "most"), [(0.9, 0.0, 0.8), (0.0, 1.0, 2.0)])
def test_it_covers_and_is_narrower_where_the_simulator_tells_the_robot(agree, least, most):
    rng = np.random.default_rng(0)
    covered, widths, plain, runs = 0, [], [], 300
    for _ in range(runs):
        real, sim = outcomes(rng, 40, agree)
        _, more = outcomes(rng, 1000, agree)
        found = rate_with_simulator(real=list(real), sim=list(sim), more_sim=list(more))
        covered += found.low <= 0.6 <= found.high
        alone = rate(int(real.sum()), 40)
        widths.append(found.high - found.low)
        plain.append(alone.high - alone.low)
    assert covered >= 0.93 * runs
    assert least < np.mean(widths) / np.mean(plain) < most


def test_a_simulator_that_is_right_each_time_adds_what_it_saw():
    found = rate_with_simulator(real=[True, False], sim=[True, False], more_sim=[True] * 8)
    assert found.mean == 1.0
    assert found.low < 0.6


def test_refuses_what_are_no_pairs():
    with pytest.raises(ValueError, match="2 real, 3 simulated, 1 more"):
        rate_with_simulator(real=[False, True], sim=[True] * 3, more_sim=[True])
