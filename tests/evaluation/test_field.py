"""Blind trials: a plan is locked, trials are judged, and whose they were is known at the end."""

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_policies.cli.app import main
from robot_policies.data.writer import DatasetFolder
from robot_policies.evaluation.field.lock import lock
from robot_policies.evaluation.field.plan import read_plan
from robot_policies.evaluation.field.trials import Judged, Trials, decided, findings, unblind
from robot_policies.evaluation.statistics.sequential import watch
from robot_policies.interface import BackendError, ConfigError
from robot_policies.launching import trial

PLAN = "policies: [hold, psec/arm]\ntask: arm_reach_avoid\nbackend: mujoco\ntrials: 6\nseed: 3\n"


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_each_state_is_tried_by_all_in_an_order_that_nobody_can_guess(plan, tmp_path):
    locked = lock(tmp_path / "a", read_plan(plan))
    order = [(entry["seed"], entry["policy"]) for entry in locked["trials"]]
    assert sorted(order) == [(s, p) for s in range(3, 9) for p in ("hold", "psec/arm")]
    assert [seed for seed, _ in order] == [s for s in range(3, 9) for _ in range(2)]
    others = [lock(tmp_path / str(i), read_plan(plan))["trials"] for i in range(8)]
    assert any(other != locked["trials"] for other in others)
    assert lock(tmp_path / "a", read_plan(plan)) == locked


def test_a_plan_changed_after_it_was_locked_is_refused_and_trials_are_kept(plan, tmp_path):
    locked = lock(tmp_path, read_plan(plan))
    Trials(tmp_path, locked).add(Judged(True, 1.0, "", 2.0))
    plan.write_text(PLAN.replace("trials: 6", "trials: 7"))
    with pytest.raises(ConfigError, match="another plan is locked: plan.trials: 6 there, 7 here"):
        lock(tmp_path, read_plan(plan))
    file = tmp_path / "lock.json"
    file.write_text(file.read_text().replace('"seed": 3', '"seed": 4', 1))
    plan.write_text(PLAN)
    with pytest.raises(ConfigError, match=r"lock\.json: was changed after it was locked"):
        lock(tmp_path, read_plan(plan))
    assert len(Trials(tmp_path, locked).judged) == 1


def test_an_interrupted_line_is_no_trial_and_nothing_is_unblinded_early(plan, tmp_path):
    locked = lock(tmp_path, read_plan(plan))
    trials = Trials(tmp_path, locked)
    trials.add(Judged(True, 1.0, "", 2.0))
    file = tmp_path / "trials.jsonl"
    assert "hold" not in file.read_text()
    assert "psec" not in file.read_text()
    with file.open("a") as opened:
        opened.write('{"success": tr')
    again = Trials(tmp_path, locked)
    assert again.judged == trials.judged
    again.add(Judged(False, 0.5, "dropped", 1.0))
    assert len(Trials(tmp_path, locked).judged) == 2
    with pytest.raises(ConfigError, match="10 of 12 trials are missing; none is unblinded before"):
        unblind(locked, again)
    file.write_text(file.read_text().replace("sha256:", "sha256:0"))
    with pytest.raises(ConfigError, match="line 1 is a trial of another plan"):
        Trials(tmp_path, locked)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("trials: 6", "trials: 0"), "trials 0: a whole number"),
        (("[hold, psec/arm]", "[hold, hold]"), "expected different names"),
        (("psec/arm", "psec/amr"), "psec/arm"),
        (("seed: 3", "alpha: 2"), "alpha 2"),
        (("seed: 3", "launch: {optons: x}"), "no argument 'optons'. Did you mean 'options'"),
        (("seed: 3", "sed: 3"), "Did you mean 'seed'"),
        (("policies: [hold, psec/arm]", "stops: true\npolicies: [hold]"), "stops: two policies"),
    ],
)
def test_a_plan_that_cannot_be_tried_is_refused(plan, change, message):
    plan.write_text(PLAN.replace(*change))
    with pytest.raises(ConfigError, match=message):
        read_plan(plan)


def test_an_operator_judges_trial_after_trial_and_goes_on_after_an_interruption(
    plan, tmp_path, monkeypatch, capfd
):
    plan.write_text(PLAN.replace("trials: 6", "trials: 2"))
    ran = []

    def run(words, seconds, environment):
        ran.append((int(words["seed"]), words["policy"]))
        if len(ran) == 2:
            raise BackendError(f"'{words['policy']}' broke off")
        return {"duration": 2.0}

    monkeypatch.setattr(trial, "run_trial", run)
    out = tmp_path / "out"
    command = ["evaluate", "--plan", str(plan), "--out", str(out), "--json", "-"]
    # One trial is judged, said again because it was wrong, and then the keyboard is gone.
    monkeypatch.setattr(sys, "stdin", io.StringIO("\nn\n7\n\ny\n\nok\ny\n"))
    assert main(command) != 0
    said = capfd.readouterr()
    assert "expected 0 to 1" in said.err
    assert "psec/arm" not in said.err + said.out
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n" + "\nn\n0.5\ndropped\ny\n" * 3))
    assert main(command) == 0
    said = capfd.readouterr()
    assert "1 of 4 trials are done" in said.err
    assert "the trial is repeated" in said.err
    assert len(ran) == 5
    document = json.loads(said.out)
    assert sum(cell["episodes"] for cell in document["cells"]) == 4
    assert sum(cell["causes"].get("dropped", 0) for cell in document["cells"]) == 3
    assert [entry["differ"] for entry in document["findings"]] == [False]
    assert document["plan"]["digest"].startswith("sha256:")
    assert (out / "scenes" / "3.png").exists()
    assert (out / "report.html").exists()
    first = json.loads((out / "lock.json").read_text())["trials"][0]
    won = {cell["policy"]: cell["success"]["mean"] for cell in document["cells"]}
    assert won[first["policy"]] == 0.5


def test_trials_end_as_soon_as_the_locked_test_is_sure(plan, tmp_path):
    plan.write_text(PLAN.replace("trials: 6", "trials: 20\nstops: true"))
    locked = lock(tmp_path, read_plan(plan))
    trials = Trials(tmp_path, locked)
    for entry in locked["trials"]:
        if decided(locked, trials):
            break
        with pytest.raises(ConfigError, match="none is unblinded before"):
            unblind(locked, trials)
        trials.add(Judged(entry["policy"] == "hold", 1.0, "", 1.0))
    assert len(trials.judged) == 2 * 7  # 2^7 B(7.5, 0.5) / B(0.5, 0.5) > 20
    outcomes = unblind(locked, trials)
    assert [outcome.success for outcome in outcomes if outcome.job.policy == "hold"] == [True] * 7
    (found,) = findings(locked, outcomes)
    assert found["differ"]
    assert found["p"] == pytest.approx(1.0 / watch([True] * 7, [False] * 7).capital)


def test_a_plan_is_tried_on_launched_graphs(plan, tmp_path, monkeypatch, capfd):
    """It takes as long as two launches."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    launch = f"launch: {{seconds: '2', namespace: plan_{os.getpid()}}}\n"
    plan.write_text(PLAN.replace("trials: 6", "trials: 1") + launch)
    out = tmp_path / "out"
    command = ["evaluate", "--plan", str(plan), "--out", str(out), "--json", "-"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\ny\n\nplaced\ny\n"))
    assert main(command) != 0  # the keyboard is gone before the second trial
    said = capfd.readouterr()
    assert "psec" not in said.out + said.err + (out / "trials.jsonl").read_text()
    assert not (out / "faults.log").exists()
    monkeypatch.setattr(sys, "stdin", io.StringIO("\nn\n0.5\ndropped\ny\n"))
    assert main(command) == 0
    document = json.loads(capfd.readouterr().out)
    locked = json.loads((out / "lock.json").read_text())
    causes = {cell["policy"]: cell["causes"] for cell in document["cells"]}
    first, second = (entry["policy"] for entry in locked["trials"])
    assert causes == {first: {"placed": 1}, second: {"dropped": 1}}
    rows = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    assert [row["duration"] for row in rows] == pytest.approx([2.0, 2.0], abs=0.5)


def test_recorded_trials_are_compared_by_their_rates(tmp_path, capfd):
    folders = {}
    for name, outcomes in (("a", [True] * 5), ("b", [False] * 5)):
        folders[name] = write_trials(tmp_path / name, outcomes)
    words = [w for name, folder in folders.items() for w in ("--recorded", f"{name}={folder}")]
    assert main(["evaluate", *words, "--out", str(tmp_path / "r"), "--json", "-"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert [cell["success"]["mean"] for cell in document["cells"]] == [1.0, 0.0]
    (compared,) = document["comparisons"]
    assert compared["test"] == "boschloo"
    assert compared["p_holm"] == pytest.approx(2 / 2**10, rel=0.05)
    assert document["rankings"][0]["letters"] == {"a": "a", "b": "b"}
    assert "boschloo" in (tmp_path / "r" / "report.html").read_text()
    assert main(["evaluate", "--recorded", str(folders["a"])]) == 2
    assert "expected NAME=FOLDER" in capfd.readouterr().err
    walks = Path(__file__).parents[2] / "samples" / "go1_real"
    assert main(["evaluate", "--recorded", f"a={walks}"]) == 2
    assert "no 'next.success'" in capfd.readouterr().err


def write_trials(root: Path, outcomes: list[bool]) -> Path:
    features = {
        name: {"dtype": kind, "shape": [1], "names": ["x"]}
        for name, kind in (("observation.state", "float32"), ("next.success", "bool"))
    }
    with DatasetFolder(root, 10, "so101", features) as folder:
        for success in outcomes:
            rows = np.array([[False], [False], [success]])
            columns = {"observation.state": np.zeros((3, 1), np.float32), "next.success": rows}
            folder.add_columns(columns, "place", {"robot": "so101"})
    return root
