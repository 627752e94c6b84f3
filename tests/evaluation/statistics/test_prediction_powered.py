"""Few trials on the robot and many in the simulator."""

import numpy as np
import pytest

from robot_policies.evaluation.statistics import mean
from robot_policies.evaluation.statistics.prediction_powered import rate_with_simulator


def outcomes(rng, count, agree):
    """Draw outcomes of a robot and of a simulator that is wrong sometimes, and too kind."""
    real = rng.random(count) < 0.6
    sim = np.where(rng.random(count) < agree, real, rng.random(count) < 0.9)
    return real.astype(float), sim.astype(float)


@pytest.mark.parametrize(("agree", "narrower"), [(0.9, 0.8), (0.0, 1.05)])
def test_it_covers_and_is_narrower_where_the_simulator_tells_the_robot(agree, narrower):
    rng = np.random.default_rng(0)
    covered, widths, plain, runs = 0, [], [], 400
    for _ in range(runs):
        real, sim = outcomes(rng, 40, agree)
        _, more = outcomes(rng, 1000, agree)
        found = rate_with_simulator(real=real, sim=sim, more_sim=more)
        covered += found.low <= 0.6 <= found.high
        widths.append(found.high - found.low)
        half = 2.0226909 * real.std(ddof=1) / np.sqrt(40)
        plain.append(2.0 * half)
    assert covered >= 0.92 * runs
    assert np.mean(widths) < narrower * np.mean(plain)


def test_a_simulator_that_knows_nothing_is_left_out():
    real = [0.0, 1.0, 0.5, 1.0]
    found = rate_with_simulator(real=real, sim=[1.0] * 4, more_sim=[1.0] * 9)
    assert found == mean(real, (0.0, 1.0))


def test_refuses_what_are_no_pairs():
    with pytest.raises(ValueError, match="2 real, 3 simulated, 5 more"):
        rate_with_simulator(real=[0, 1], sim=[0, 1, 1], more_sim=[1] * 5)
