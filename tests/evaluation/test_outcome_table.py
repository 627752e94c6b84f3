"""What is kept of an evaluation that was interrupted, and when it may be gone on with."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from outcome_bytes import content
from sample_work import random_walk

from robot_policies.evaluation import run_suite as module
from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.outcome_table import SUITE as OUTCOMES_SUITE
from robot_policies.evaluation.outcome_table import OutcomeTable
from robot_policies.evaluation.run_suite import Shard, run_suite
from robot_policies.evaluation.suite import Suite
from robot_policies.interface import ConfigError, RobotPoliciesError

SUITE = Suite(("hold",), ("go1_walk",), ("mujoco", "pybullet"), episodes=3)


@pytest.fixture
def ran(monkeypatch):
    """Run stand-ins for episodes, and note which."""
    jobs = []

    def run(given, engine, workers, listen, work=None):
        outcomes = []
        for job in given:
            jobs.append((job.backend, job.seed))
            outcomes.append(random_walk(job))
            listen(outcomes[-1])
        return outcomes

    monkeypatch.setattr(module, "run_jobs", run)
    monkeypatch.setattr(module, "refusals", lambda stages: {})
    return jobs


def stop_after(count):
    def listen(outcome):
        nonlocal count
        count -= 1
        if count == 0:
            raise KeyboardInterrupt

    return listen


def test_what_is_interrupted_goes_on_and_repeats_nothing(ran, tmp_path):
    whole = run_suite(SUITE, folder=tmp_path / "whole")
    ran.clear()
    with pytest.raises(KeyboardInterrupt):
        run_suite(SUITE, listen=stop_after(4), folder=tmp_path / "parts")
    assert pq.read_table(tmp_path / "parts" / "outcomes.parquet").num_rows == 4
    found = run_suite(SUITE, folder=tmp_path / "parts")
    assert len(ran) == 6  # each once
    assert found.kept == 4
    assert found.outcomes == whole.outcomes
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_longer_evaluation_goes_on_where_the_shorter_ended(ran, tmp_path):
    run_suite(SUITE, folder=tmp_path)
    found = run_suite(replace(SUITE, episodes=4), folder=tmp_path)
    assert ran[6:] == [("mujoco", 3), ("pybullet", 3)]
    assert (len(found.outcomes), found.kept) == (8, 6)


def test_parts_of_several_machines_are_one_suite(ran, tmp_path):
    run_suite(SUITE, folder=tmp_path / "whole")
    for number in (1, 2):
        run_suite(SUITE, folder=tmp_path / str(number), shard=Shard(number, 2))
        (part,) = (tmp_path / str(number)).glob("*.parquet")
        (tmp_path / "all").mkdir(exist_ok=True)
        shutil.copy(part, tmp_path / "all")
    ran.clear()
    assert run_suite(SUITE, folder=tmp_path / "all").kept == 6
    assert ran == []
    assert content(tmp_path / "all") == content(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"backends": ("mujoco",)}, r"backends: \['mujoco', 'pybullet'\] there"),
        ({"conditions": (Condition(delay=0.1),)}, r"conditions\.\.delay: 0.0 there, 0.1 here"),
        ({"episodes": 2}, "hold on go1_walk in mujoco, seed 2 is there, and is not asked for"),
        (
            {"initial_states": {"go1_walk": {str(seed): {"friction": 0.3} for seed in range(3)}}},
            'seed 0 began there from .* here from {"friction": 0.3}',
        ),
    ],
)
def test_a_folder_of_another_suite_is_refused(ran, tmp_path, change, message):
    run_suite(SUITE, folder=tmp_path)
    before = content(tmp_path)
    with pytest.raises(ConfigError, match=f"is of another suite: .*{message}"):
        run_suite(replace(SUITE, **change), folder=tmp_path)
    assert content(tmp_path) == before


def test_a_file_that_is_no_table_of_an_evaluation_is_refused(ran, tmp_path):
    path = tmp_path / "outcomes.parquet"
    path.write_text("no")
    with pytest.raises(ConfigError, match="no readable Parquet file"):
        run_suite(SUITE, folder=tmp_path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ConfigError, match="was not written by an evaluation"):
        run_suite(SUITE, folder=tmp_path)
    for suite in ("{", "[" * 100_000):
        pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({OUTCOMES_SUITE: suite}), path)
        with pytest.raises(ConfigError, match="was not written by an evaluation"):
            run_suite(SUITE, folder=tmp_path)


def test_parts_that_contradict_each_other_are_refused(ran, tmp_path):
    run_suite(SUITE, folder=tmp_path)
    path = tmp_path / "outcomes.parquet"
    table = pq.read_table(path)
    index = table.column_names.index("success")
    other = table.set_column(index, "success", pa.array([True, False] * 3))
    pq.write_table(other, tmp_path / "outcomes-1-of-2.parquet")
    with pytest.raises(ConfigError, match="different outcome of hold on go1_walk in"):
        run_suite(SUITE, folder=tmp_path)


def test_a_full_disk_is_one_line_and_costs_no_earlier_episode(ran, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_suite(SUITE, listen=stop_after(2), folder=tmp_path)
    before = content(tmp_path)
    (tmp_path / "outcomes.partial").symlink_to("/dev/full")
    with pytest.raises(RobotPoliciesError, match="No space left on device; the episodes before"):
        run_suite(SUITE, folder=tmp_path)
    assert content(tmp_path) == before
    (tmp_path / "outcomes.partial").unlink(missing_ok=True)
    assert run_suite(SUITE, folder=tmp_path).kept == 2


def test_what_an_interrupted_write_left_is_no_outcome(ran, tmp_path):
    (tmp_path / "outcomes.partial").write_bytes(b"PAR1 and no end")
    assert run_suite(SUITE, folder=tmp_path).kept == 0
    assert not (tmp_path / "outcomes.partial").exists()


def test_two_evaluations_do_not_write_to_one_folder(ran, tmp_path):
    def again(outcome):
        run_suite(SUITE, folder=tmp_path / "a")

    with pytest.raises(ConfigError, match="is writing to it"):
        run_suite(SUITE, listen=again, folder=tmp_path / "a")


def test_a_cell_that_cannot_run_is_a_row_that_says_why(ran, monkeypatch, tmp_path):
    reason = "[robot] another robot"

    def refusals(stages):
        return {stage: reason for stage in stages if stage[:3] == ("hold", "go1_walk", "pybullet")}

    monkeypatch.setattr(module, "refusals", refusals)
    suite = replace(SUITE, skip_incompatible=True)
    run_suite(suite, folder=tmp_path)
    run_suite(suite, folder=tmp_path)
    rows = pq.read_table(tmp_path / "outcomes.parquet").to_pylist()
    assert [row["refused"] for row in rows] == [None] * 3 + [reason]
    assert (rows[3]["backend"], rows[3]["seed"]) == ("pybullet", None)


@pytest.mark.parametrize("wrong", [(0, 2), (3, 2), (1, 0)])
def test_a_part_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigError, match="expected 1/N to N/N"):
        Shard(*wrong)


def test_an_initial_state_reads_back(ran, tmp_path):
    run_suite(SUITE, folder=tmp_path)
    (row, *_) = pq.read_table(tmp_path / "outcomes.parquet").to_pylist()
    assert json.loads(row["initial"]) == SUITE.jobs()[0].initial
    with pytest.raises(ConfigError, match="cannot be written"):
        OutcomeTable(Path("/dev/null/x"), {})


COMMAND = [sys.executable, "-m", "robot_policies.cli.app", "evaluate", "--policy", "hold"]
COMMAND += ["--task", "go1_walk", "--backend", "mujoco", "--episodes", "4", "--workers", "2"]


def test_what_is_killed_in_the_middle_goes_on_to_the_same_bytes(tmp_path):
    suite = Suite(("hold",), ("go1_walk",), ("mujoco",), episodes=4)
    run_suite(suite, folder=tmp_path / "whole")
    folder = tmp_path / "killed"
    table = folder / "outcomes.parquet"
    process = subprocess.Popen([*COMMAND, "--out", str(folder)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120.0
    while not (table.exists() and pq.read_table(table).num_rows):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = pq.read_table(table).num_rows
    assert kept < 4
    found = run_suite(suite, folder=folder)
    assert found.kept == kept
    assert content(folder) == content(tmp_path / "whole")
