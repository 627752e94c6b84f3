"""Agreement of two backends, on a published table."""

import numpy as np
import pytest

from robot_policies.evaluation.statistics.agreement import agreement, mmrv, pearson

# SimplerEnv, pick coke can: six policies on the robot and in the simulator.
REAL = np.array([0.853, 0.920, 0.760, 0.907, 0.293, 0.133])
SIM = np.array([0.857, 0.710, 0.567, 0.787, 0.170, 0.027])


def test_a_published_table():
    assert mmrv(sim=SIM, real=REAL) == pytest.approx(0.031, abs=5e-4)
    assert mmrv(sim=REAL, real=SIM) == pytest.approx(0.062, abs=5e-4)  # it is not symmetric
    assert pearson(sim=SIM, real=REAL) == pytest.approx(0.975, abs=5e-4)


def test_few_policies_say_little():
    found = agreement(
        sim=[(round(100 * rate), 100) for rate in SIM],
        real=[(round(25 * rate), 25) for rate in REAL],
    )
    assert found.pearson.low < 0.8 < found.pearson.mean <= found.pearson.high
    assert found.mmrv.low <= found.mmrv.mean <= found.mmrv.high
    assert found.mmrv.high > 0.05


def test_two_policies_have_no_interval_and_a_constant_no_correlation():
    found = agreement(sim=[(1, 10), (9, 10)], real=[(2, 10), (7, 10)])
    assert (found.pearson.mean, found.pearson.low) == (pytest.approx(1.0), None)
    found = agreement(sim=[(5, 10)] * 3, real=[(2, 10), (7, 10), (1, 10)])
    assert found.pearson.mean is None
    assert found.mmrv.mean == pytest.approx(np.mean([0.5, 0.0, 0.6]))


def test_rates_of_other_policies_are_refused():
    with pytest.raises(ValueError, match="of 1 and of 2 policies"):
        agreement(sim=[(1, 2)], real=[(1, 2), (0, 2)])
