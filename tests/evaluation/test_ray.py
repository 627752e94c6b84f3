"""The same outcomes on a cluster, one that is started here and one that has an address."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from outcome_bytes import content
from sample_work import die_once, random_walk

from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.engines.choice import run_jobs
from robot_policies.evaluation.episode import Job
from robot_policies.evaluation.run_suite import run_suite
from robot_policies.evaluation.suite import Suite
from robot_policies.interface import RobotPoliciesError

ray = pytest.importorskip("ray")

JOBS = [Job("a", "t", "b", seed, {"seed": seed}) for seed in range(6)]
# Ray's own warnings; it starts half a dozen processes.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


def ignore(outcome):
    pass


def check(mark: Path) -> None:
    """Let two workers run the jobs, of which one is killed once."""
    jobs = [replace(job, initial={"mark": str(mark)}) for job in JOBS]
    heard = []
    outcomes = run_jobs(jobs, "ray", 2, heard.append, die_once)
    assert [outcome.attempts for outcome in outcomes] == [1, 1, 2, 1, 1, 1]
    assert [replace(outcome, attempts=1) for outcome in outcomes] == run_jobs(
        jobs, "local", 1, ignore, random_walk
    )
    assert sorted(outcome.job.seed for outcome in heard) == list(range(6))


def test_two_workers_of_which_one_is_killed_give_what_one_process_gives(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    check(tmp_path / "died")
    assert not ray.is_initialized()


def test_a_suite_on_a_cluster_has_the_bytes_of_one_in_this_process(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    conditions = Condition("plain"), Condition("lossy", delay=0.04, loss=0.3)
    suite = Suite(("uni_o4/go1_walk",), ("go1_walk",), ("mujoco",), 2, 0, conditions)
    run_suite(suite, folder=tmp_path / "here")
    run_suite(suite, "ray", 2, folder=tmp_path / "cluster")
    with pytest.raises(KeyboardInterrupt):
        run_suite(suite, "ray", 2, interrupt, folder=tmp_path / "interrupted")
    found = run_suite(suite, "local", 2, folder=tmp_path / "interrupted")
    assert 1 <= found.kept < 4
    here = content(tmp_path / "here")
    assert content(tmp_path / "cluster") == here
    assert content(tmp_path / "interrupted") == here


def interrupt(outcome):
    raise KeyboardInterrupt


def test_a_cluster_that_has_an_address_is_used_and_left_running(monkeypatch, tmp_path):
    program = Path(sys.executable).with_name("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    options = ["--head", "--block", "--num-cpus=2", "--port=6399", "--include-dashboard=false"]
    cluster = subprocess.Popen([program, "start", *options], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6399")
        wait_for(cluster, 6399)
        check(tmp_path / "first")
        check(tmp_path / "second")
    finally:
        cluster.terminate()  # and with it what it started, unlike `ray stop`, which ends every Ray
        cluster.wait()


def wait_for(cluster: subprocess.Popen, port: int) -> None:
    """Wait until a cluster listens."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline and cluster.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    pytest.fail("the cluster did not start")


def test_an_address_that_nobody_has_is_one_line(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(RobotPoliciesError, match="RAY_ADDRESS=nonsense") as caught:
        run_jobs(JOBS, "ray", 1, ignore, random_walk)
    assert "\n" not in str(caught.value)
