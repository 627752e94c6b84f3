import numpy as np
import pytest

from robot_policies.catalog import load_robot
from robot_policies.control.pacing import Pacing, require_fresh
from robot_policies.control.safety_limits import ARM_PLAN_AGE, LEGGED_PLAN_AGE
from robot_policies.interface import ActionKind, ActionSpec, ArraySpec, ContractError


def pacing(horizon, dt=0.02, mode="open_loop", rate=50.0, executed=0):
    spec = ActionSpec(
        ActionKind.JOINT_POSITION,
        ArraySpec("action", (1,), names=("knee",)),
        dt,
        horizon,
        executed,
    )
    return Pacing(spec, mode, rate)


def asked(pacing, took, seconds=10.0, period=0.02, jitter=0.0):
    rng, stamps = np.random.default_rng(0), []
    for stamp in np.arange(0.0, seconds, period):
        stamp += rng.uniform(-jitter, jitter)
        if pacing.due(stamp):
            pacing.asked(stamp)
            pacing.answered(stamp + took, took)
            stamps.append(stamp)
    return np.diff(stamps)


@pytest.mark.parametrize("jitter", [0.0, 0.005])
def test_a_one_row_policy_is_asked_at_every_control_step(jitter):
    assert len(asked(pacing(1), took=0.001, jitter=jitter)) == 499


def test_a_chunk_is_followed_almost_to_its_end_and_the_next_is_there_in_time():
    steps = asked(pacing(50), took=0.1)
    assert steps[-1] == pytest.approx(50 * 0.02 - 0.1 - 0.02, abs=0.011)


def test_splice_asks_at_half_a_chunk_and_ensemble_at_every_row():
    assert asked(pacing(50, mode="splice"), took=0.0)[-1] == pytest.approx(0.5, abs=0.011)
    assert asked(pacing(50, mode="ensemble"), took=0.0)[-1] == pytest.approx(0.02)


def test_a_chunk_of_which_some_rows_are_executed_is_replaced_after_those():
    assert asked(pacing(50, executed=10), took=0.0)[-1] == pytest.approx(0.2, abs=0.011)


def test_a_policy_slower_than_its_plan_is_asked_when_the_plan_is_over():
    paced = pacing(10)  # plans of 0.2 s
    steps = asked(paced, took=1.0)
    assert paced.waits
    assert steps[-1] == pytest.approx(1.0 + 0.2, abs=0.031)
    assert paced.plan_age == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("rows", "dt", "executed", "took", "age"),
    [
        (100, 1 / 30, 100, 1.4, 100 / 30 + 1.4),  # LeRobot's ACT
        (50, 1 / 50, 50, 0.05, 1.05),  # SmolVLA, pi0
        (50, 1 / 50, 50, 3.0, 4.0),
        (16, 1 / 30, 8, 0.5, 8 / 30 + 0.5),  # diffusion
    ],
)
def test_how_old_a_plan_becomes_is_known_before_the_robot_moves(rows, dt, executed, took, age):
    paced = pacing(rows, dt=dt, executed=executed, rate=30.0)
    paced.answered(0.0, took)
    assert paced.plan_age == pytest.approx(age)
    require_fresh(paced, load_robot("so101"), ARM_PLAN_AGE)


def test_a_plan_that_becomes_too_old_is_refused_with_both_times():
    paced = pacing(100, dt=1 / 30)
    paced.answered(0.0, 1.0)
    with pytest.raises(ContractError, match=r"become 4.33 s old .* none older than 0.50 s"):
        require_fresh(paced, load_robot("go1"), LEGGED_PLAN_AGE)


def test_slow_inference_never_asks_more_often_than_rows_pass():
    assert asked(pacing(10), took=5.0).min() >= 0.02 - 1e-9


def test_a_clock_that_jumps_back_does_not_silence_the_policy():
    paced = pacing(50)
    paced.asked(100.0)
    assert paced.due(5.0)
