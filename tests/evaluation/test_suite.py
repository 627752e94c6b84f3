"""Evaluations that run: the pose holder on the quadruped, in both engines."""

from dataclasses import replace

import pytest

from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.episode import Job, open_cell, run_job
from robot_policies.evaluation.run_suite import run_suite
from robot_policies.evaluation.suite import Suite
from robot_policies.interface import ConfigError, ContractError

SUITE = Suite(("hold",), ("go1_walk",), ("mujoco", "pybullet"), episodes=2, seed=1)


@pytest.fixture(scope="module")
def serial():
    return run_suite(SUITE).outcomes


def test_workers_change_nothing(serial):
    assert run_suite(SUITE, workers=2).outcomes == serial


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
        ({"policies": ()}, "no policy is named"),
        ({"backends": ("mujoco", "mujoco")}, "is named twice"),
        ({"episodes": 0}, "0 episodes: a whole number of at least 1"),
    ],
)
def test_refuses_what_cannot_be_run(changed, message):
    named = {"policies": ("hold",), "tasks": ("go1_walk",), "backends": ("mujoco",)}
    with pytest.raises(ConfigError, match=message):
        Suite(**{**named, "episodes": 1, **changed})


def test_a_wrong_policy_ends_the_evaluation_before_an_episode():
    heard = []
    with pytest.raises(ConfigError, match="Did you mean 'hold'"):
        run_suite(Suite(("hodl",), ("go1_walk",), ("mujoco",), 1), listen=heard.append)
    assert heard == []


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ConfigError) as caught:
        Suite(("hodl", "hold"), ("go1_wlak", "go1_rnu"), ("mujco",), 0, seed=-1)
    for part in ("'hodl'", "'go1_wlak'", "'go1_rnu'", "'mujco'", "0 episodes", "-1 as seed"):
        assert part in str(caught.value)


def test_cells_that_cannot_run_are_refused_all_at_once():
    with pytest.raises(ContractError) as caught:
        run_suite(Suite(("hold",), ("go1_walk", "tabletop_place"), ("loopback",), 1))
    for task in ("go1_walk", "tabletop_place"):
        assert f"hold on {task} in loopback: backend 'loopback' is no simul" in str(caught.value)


def test_a_suite_may_go_on_without_the_cells_that_cannot_run():
    suite = Suite(("hold",), ("go1_walk",), ("loopback", "mujoco"), 1, skip_incompatible=True)
    found = run_suite(suite)
    assert [outcome.job.backend for outcome in found.outcomes] == ["mujoco"]
    assert list(found.refused) == [("hold", "go1_walk", "loopback", "")]
    assert "is no simulator" in found.refused["hold", "go1_walk", "loopback", ""]


def test_a_condition_changes_its_own_cell_only(serial):
    strange = Condition("thin ice", initial={"friction": 0.1})
    suite = replace(SUITE, backends=("mujoco",), conditions=(Condition(), strange))
    plain, changed = suite.jobs()[:2], suite.jobs()[2:]
    assert plain == [outcome.job for outcome in serial[:2]]
    assert [job.initial["friction"] for job in changed] == [0.1, 0.1]
    assert [{**job.initial, "friction": 0} for job in changed] == [
        {**job.initial, "friction": 0} for job in plain
    ]


def test_stored_initial_states_are_used_and_none_may_be_missing():
    stored = {"go1_walk": {"1": {"goal": {}}}}
    suite = replace(SUITE, episodes=1, initial_states=stored)
    assert suite.jobs()[0].initial == {"goal": {}}
    with pytest.raises(ConfigError, match=r"'go1_walk' for the seeds \[2\]"):
        replace(suite, episodes=2).jobs()


def test_what_breaks_in_an_episode_is_an_outcome_with_its_seed():
    job = Job("hold", "go1_walk", "mujoco", 7, {"no such": "state"})
    outcome = run_job(job)
    assert (outcome.job.seed, outcome.success) == (7, False)
    assert "no such" in outcome.error
