import json

import pytest

from robot_policies.cli.app import main
from robot_policies.launching import latency


@pytest.fixture
def measured(monkeypatch) -> list:
    """What is to be launched, beside figures that were measured in no process."""
    asked = []

    def commands(names: dict, **others: float) -> dict:
        asked.append(names)
        return latency._row("commands", [0.003, 0.003, 0.004], 3, 50.0)

    monkeypatch.setattr(latency, "measure_commands", commands)
    monkeypatch.setattr(latency, "_floor", lambda names, seconds, domain: [0.001, 0.002, 0.002])
    monkeypatch.setattr(
        latency,
        "_lerobot",
        lambda policy, pause, threads=None: {"threads": 2, "took": [0.002, 0.004]},
    )
    monkeypatch.setattr(
        latency, "measure_images", lambda count, domain: latency._row("images", [0.1], 1, 30.0)
    )
    return asked


def test_latency_says_floor_and_ratio(measured, capfd):
    assert main(["bench", "latency", "--json", "-"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert measured[0]["robot"] == "go1"
    assert document["floor"]["p50_ms"] == 2.0
    assert document["ratio"]["p50"] == 1.5
    assert document["answer_ratio"] is None, "messages are most of a quick answer"
    assert len({tuple(row) for row in document["results"]}) == 1, "rows of one table"
    assert document["provenance"]["settings"]["task"] == "go1_walk"


def test_latency_compares_a_heavy_policy_with_lerobot(measured, monkeypatch, capfd):
    monkeypatch.setattr(latency, "HEAVY", 0.001)
    command = ["bench", "latency", "--policy", "act_jepa/tabletop_place", "--robot", "so101"]
    assert main([*command, "--json", "-"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert measured[0]["task"] == "none"
    assert measured[0]["threads"] == "2", "as many as LeRobot was measured with"
    assert document["answer"] in document["results"]
    assert document["answer_ratio"] == 1.0


def test_latency_refuses_a_robot_that_is_not_the_tasks(measured, capfd):
    command = ["bench", "latency", "--task", "go1_walk", "--robot", "so101"]
    assert main(command) == 2
    assert "task 'go1_walk' is for robot 'go1', not 'so101'" in capfd.readouterr().err
    assert measured == []


def test_physics_measures_both_engines_in_the_same_blocks(capfd):
    command = ["bench", "physics", "--seconds", "0.02", "--blocks", "2", "--json", "-"]
    assert main(command) == 0
    document = json.loads(capfd.readouterr().out)
    assert [row["engine"] for row in document["results"]] == ["mujoco", "pybullet"]
    for row in document["results"]:
        low, middle, high = (row[f"control_steps_per_s{end}"] for end in ("_min", "", "_max"))
        assert 0.0 < low <= middle <= high
        assert row["real_time_factor"] > 0.0
    assert document["provenance"]["settings"]["blocks"] == 2


def test_throughput_measures_the_environment_and_the_training(capfd):
    command = ["bench", "throughput", "--environments", "4", "--threads", "1", "--blocks", "1"]
    assert main([*command, "--json", "-"]) == 0
    rows = json.loads(capfd.readouterr().out)["results"]
    assert [row["what"] for row in rows] == ["environment", "training"]
    assert all(row["steps_per_s"] > 0.0 for row in rows)


def test_skills_measures_a_step_of_both_networks(capfd):
    assert main(["bench", "skills", "--repeats", "1", "--no-live", "--json", "-"]) == 0
    rows = json.loads(capfd.readouterr().out)["results"]
    steps = [(row["what"], row["skills"]) for row in rows]
    for network in ("mlp", "ln_resnet"):
        for clock in ("thread", "wall"):
            assert (f"control step of {network}, {clock}", 8) in steps
    assert all(0.0 < row["min"] <= row["median"] <= row["max"] for row in rows)
    assert [row["target"] for row in rows if row["target"]] == [1.5, 1.5, 4.0, 4.0]
