"""The same outcomes on a cluster, one that is started here and one that has an address."""

import os
import sys
from dataclasses import replace

import pytest
from sample_work import die_once, random_walk

from robot_policies.evaluation.engines.choice import run_jobs
from robot_policies.evaluation.episode import Job
from robot_policies.interface import RobotPoliciesError

ray = pytest.importorskip("ray")

JOBS = [Job("a", "t", "b", seed, {"seed": seed}) for seed in range(6)]
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


def ignore(outcome):
    pass


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster of two cores, as `ray start` does, and leave it."""
    path = os.pathsep.join(filter(None, sys.path))
    context = ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    yield context.address_info["gcs_address"]
    ray.shutdown()


def test_two_workers_of_which_one_is_killed_give_what_one_process_gives(cluster, tmp_path):
    jobs = [replace(job, initial={"mark": str(tmp_path / "died")}) for job in JOBS]
    heard = []
    outcomes = run_jobs(jobs, "ray", 2, heard.append, die_once)
    assert [outcome.attempts for outcome in outcomes] == [1, 1, 2, 1, 1, 1]
    assert [replace(outcome, attempts=1) for outcome in outcomes] == run_jobs(
        jobs, "local", 1, ignore, random_walk
    )
    assert sorted(outcome.job.seed for outcome in heard) == list(range(6))


def test_an_address_that_nobody_has_is_one_line(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(RobotPoliciesError, match="RAY_ADDRESS=nonsense") as caught:
        run_jobs(JOBS, "ray", 1, ignore, random_walk)
    assert "\n" not in str(caught.value)
