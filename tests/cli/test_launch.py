import io
import json
from pathlib import Path

import pytest

from robot_policies import launching
from robot_policies.cli.app import main

SUMMARY = {
    "ended_by": "success",
    "reason": "5 s have passed",
    "duration": 5.0,
    "metrics": {"success": 1.0, "fall": 0.0, "speed_error": 0.05, "distance": 2.5},
    "latency": {"p50": 0.003, "p99": 0.009, "max": 0.012},
    "figures": {
        "loop_rate_mean_hz": 50.0,
        "measurements_implausible": 0.0,
        "policy_states_implausible": 2.0,
        "policy_points_dropped": 17.0,
    },
    "refusals": {"no_action": 2},
    "dropped": {},
    "faults": [],
    "policy": "hold",
    "task": "go1_walk",
    "robot": "go1",
    "backend": "mujoco",
}


def test_show_args_lists_the_arguments_and_starts_nothing(capsys):
    assert main(["launch", "policy.launch.xml", "--show-args"]) == 0
    assert "backend:=" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argument", "near"),
    [
        ("policy:=hodl", "hold"),
        ("robot:=so10", "so101"),
        ("backend:=mujco", "mujoco"),
        ("task:=go1_wlak", "go1_walk"),
    ],
)
def test_a_wrong_name_starts_no_process(argument, near, capsys, monkeypatch):
    monkeypatch.setattr(launching, "launch_file", None)
    assert main(["launch", "policy.launch.xml", argument]) == 2
    assert f"Did you mean '{near}'" in capsys.readouterr().err


def test_none_is_no_name(monkeypatch):
    monkeypatch.setattr(launching, "launch_file", lambda file, arguments, own: 0)
    assert main(["launch", "policy.launch.xml", "policy:=hold", "task:=none"]) == 0


def test_driving_by_keyboard_needs_one(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["drive"]) == 2
    assert "no terminal" in capsys.readouterr().err


def test_the_status_of_the_launch_is_the_status_of_the_command(monkeypatch):
    given = {}

    def launch_file(file, arguments, own):
        given.update(arguments)
        return 3  # before it wrote its summary

    monkeypatch.setattr(launching, "launch_file", launch_file)
    assert main(["launch", "policy.launch.xml", "policy:=hold", "seconds:=3"]) == 3
    assert given.pop("summary")
    assert given == {"policy": "hold", "seconds": "3"}


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({}, 0, "the trial ended as meant"),
        ({"faults": ["a.mp4: No space left on device"]}, 1, "a.mp4: No space left on device"),
        ({"ended_by": "interrupted", "reason": "deactivated"}, 0, "ended as meant"),
        ({"metrics": {"fall": 1.0}}, 1, "the robot fell"),
        ({"ended_by": "tilt", "reason": "tilt 1.1 rad"}, 1, "tilt: tilt 1.1 rad"),
        ({"ended_by": "failure", "reason": ""}, 1, "failure"),
        ({"latency": {}}, 1, "the policy never acted"),
    ],
)
def test_a_launch_tells_how_the_trial_ended(change, status, said, monkeypatch, capfd):
    def launch_file(file, arguments, own):
        Path(arguments["summary"]).write_text(json.dumps({**SUMMARY, **change}))
        return 0

    monkeypatch.setattr(launching, "launch_file", launch_file)
    assert main(["launch", "policy.launch.xml", "policy:=hold"]) == status
    printed = capfd.readouterr().out
    assert said in printed
    assert "2 no_action" in printed
    assert "2 joint states that cannot be true" in printed
    assert "17 points that are no numbers" in printed


def test_a_summary_of_an_earlier_launch_is_not_taken_for_this_ones(monkeypatch, capfd, tmp_path):
    (tmp_path / "old.json").write_text(json.dumps(SUMMARY))
    monkeypatch.setattr(launching, "launch_file", lambda file, arguments, own: 3)
    assert main(["launch", "policy.launch.xml", f"summary:={tmp_path / 'old.json'}"]) == 3
    assert not capfd.readouterr().out


@pytest.mark.parametrize(("fall", "status"), [(0.0, 0), (1.0, 1)])
def test_the_demo_sums_up_the_launch(fall, status, monkeypatch, capfd, tmp_path):
    def launch_file(file, arguments):
        assert (file, arguments["seconds"]) == ("policy.launch.xml", "5.0")
        summary = {**SUMMARY, "metrics": {**SUMMARY["metrics"], "fall": fall}}
        (tmp_path / "d" / "summary.json").write_text(json.dumps(summary))
        return 0

    monkeypatch.setattr(launching, "launch_file", launch_file)
    command = ["demo", "--policy", "hold", "--seconds", "5", "--out", str(tmp_path / "d")]
    assert main(command) == status
    printed = capfd.readouterr().out
    for words in ("distance", "speed error", "falls", "loop rate", "p99 9.0", "summary file"):
        assert words in printed


def test_a_demo_that_breaks_off_is_a_fault(monkeypatch, capfd, tmp_path):
    monkeypatch.setattr(launching, "launch_file", lambda file, arguments: 3)
    assert main(["demo", "--policy", "hold", "--out", str(tmp_path)]) == 3
    assert "status 3" in capfd.readouterr().err
