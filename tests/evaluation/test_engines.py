import sys
from dataclasses import replace

import pytest
from sample_work import die_on_seed_2, die_once, random_walk

from robot_policies.evaluation.engines.choice import run_jobs
from robot_policies.evaluation.engines.pool import in_process
from robot_policies.evaluation.episode import Job
from robot_policies.interface import ConfigError, RobotPoliciesError

JOBS = [Job("a", "t", "b", seed, {"seed": seed}) for seed in range(6)]


def ignore(outcome):
    pass


def test_workers_give_what_one_process_gives():
    heard = []
    parallel = run_jobs(JOBS, "local", 2, heard.append, random_walk)
    assert parallel == run_jobs(JOBS, "local", 1, ignore, random_walk)
    assert sorted(outcome.job.seed for outcome in heard) == list(range(6))


def test_a_worker_that_dies_is_begun_once_more_and_counted(tmp_path):
    mark = tmp_path / "died"
    jobs = [replace(job, initial={"mark": str(mark)}) for job in JOBS]
    outcomes = run_jobs(jobs, "local", 2, ignore, die_once)
    assert mark.exists()
    assert [outcome.error for outcome in outcomes] == [""] * 6
    assert [outcome.attempts for outcome in outcomes] == [1, 1, 2, 1, 1, 1]
    untouched = run_jobs(jobs, "local", 1, ignore, random_walk)
    assert [replace(outcome, attempts=1) for outcome in outcomes] == untouched


def test_a_second_death_is_a_crash_of_its_own_episode_only():
    heard = []
    outcomes = run_jobs(JOBS, "local", 2, heard.append, die_on_seed_2)
    assert [outcome.error for outcome in outcomes if outcome.job.seed != 2] == [""] * 5
    assert (outcomes[2].job.seed, outcomes[2].attempts) == (2, 2)
    assert not outcomes[2].success
    assert "exit status -9, for the second time" in outcomes[2].error
    assert len(heard) == 6


def test_more_workers_than_jobs_are_not_started():
    assert len(run_jobs(JOBS[:1], "local", 5, ignore, random_walk)) == 1
    assert run_jobs([], "local", 5, ignore, random_walk) == []


def test_a_function_in_a_process_of_its_own_returns_and_raises_as_here():
    assert in_process(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        in_process(divmod, 7, 0)
    with pytest.raises(RobotPoliciesError, match="the process that ran 'die_on_seed_2' died"):
        in_process(die_on_seed_2, JOBS[2])


def test_a_wrong_engine_names_the_nearest():
    with pytest.raises(ConfigError, match="no engine 'rai'. Did you mean 'ray'"):
        run_jobs(JOBS, "rai", 1, ignore, random_walk)


def test_refuses_no_workers():
    with pytest.raises(ConfigError, match="--workers 0"):
        run_jobs(JOBS, "local", 0, ignore, random_walk)


def test_ray_that_is_not_installed_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RobotPoliciesError, match=r"robot_policies\[ray\]"):
        run_jobs(JOBS, "ray", 1, ignore, random_walk)
