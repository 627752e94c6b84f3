"""Evaluations that run: the pose holder on the quadruped, in both engines."""

import pytest

from robot_policies.evaluation.episode import Job, open_cell, run_job
from robot_policies.evaluation.suite import Suite, run_suite
from robot_policies.interface import ConfigError, UnknownNameError

SUITE = Suite(("hold",), ("go1_walk",), ("mujoco", "pybullet"), episodes=2, seed=1)


@pytest.fixture(scope="module")
def serial():
    return run_suite(SUITE)


def test_workers_change_nothing(serial):
    assert run_suite(SUITE, workers=2) == serial


def test_cells_are_paired_and_a_shorter_evaluation_is_the_beginning_of_a_longer(serial):
    starts = {}
    for outcome in serial:
        starts.setdefault(outcome.job.seed, []).append(outcome.job.initial)
    assert set(starts) == {1, 2}
    assert all(mujoco == pybullet for mujoco, pybullet in starts.values())
    longer = Suite(("hold",), ("go1_walk",), ("mujoco",), episodes=5, seed=1)
    assert longer.jobs()[:2] == [outcome.job for outcome in serial[:2]]


def test_an_episode_does_not_depend_on_the_one_before(serial):
    open_cell.cache_clear()
    alone = [run_job(outcome.job) for outcome in (serial[1], serial[3])]
    assert alone == [serial[1], serial[3]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tasks": ("go1_wlak",)}, "Did you mean 'go1_walk'"),
        ({"backends": ("mujco",)}, "Did you mean 'mujoco'"),
        ({"policies": ()}, "--policy is missing"),
        ({"backends": ("mujoco", "mujoco")}, "names one twice"),
        ({"episodes": 0}, "at least 1"),
        ({"delay": -0.1}, "must be >= 0"),
    ],
)
def test_refuses_what_cannot_be_run(changed, message):
    named = {"policies": ("hold",), "tasks": ("go1_walk",), "backends": ("mujoco",)}
    with pytest.raises(ConfigError, match=message):
        Suite(**{**named, "episodes": 1, **changed})


def test_a_wrong_policy_ends_the_evaluation_before_an_episode():
    heard = []
    with pytest.raises(UnknownNameError, match="Did you mean 'hold'"):
        run_suite(Suite(("hodl",), ("go1_walk",), ("mujoco",), 1), listen=heard.append)
    assert heard == []


def test_a_backend_whose_time_is_not_ours_is_refused():
    with pytest.raises(ConfigError, match="'loopback' is no simulator"):
        run_suite(Suite(("hold",), ("go1_walk",), ("loopback",), 1))


def test_what_breaks_in_an_episode_is_an_outcome_with_its_seed():
    job = Job("hold", "go1_walk", "mujoco", 7, {"no such": "state"})
    outcome = run_job(job)
    assert (outcome.job.seed, outcome.success) == (7, False)
    assert "no such" in outcome.error
