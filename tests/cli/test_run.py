import json

import pytest

from robot_policies.cli.app import main
from robot_policies.cli.run import parse_options
from robot_policies.interface import ConfigError

COMMAND = ["run", "--policy", "hold", "--task", "go1_walk", "--backend", "mujoco"]


def test_runs_an_episode_and_says_how_it_went(capfd, tmp_path):
    rerun = tmp_path / "a.rrd"
    assert main([*COMMAND, "--seconds", "0.4", "--viewer", str(rerun), "--json", "-"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["policy"], document["task"], document["steps"]) == ("hold", "go1_walk", 20)
    assert document["files"] == {"viewer": str(rerun)}
    assert rerun.stat().st_size > 0


@pytest.mark.parametrize("robot", ["so101", "go1"])
def test_a_robot_runs_without_a_task(capfd, robot):
    command = ["run", "--policy", "hold", "--robot", robot, "--backend", "mujoco"]
    assert main([*command, "--seconds", "0.2", "--json", "-"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["task"], document["ended_by"]) == ("none", "horizon")
    assert document["metrics"] == {}


def test_the_same_seed_gives_the_same_episode(capfd):
    documents = []
    for _ in range(2):
        assert main([*COMMAND, "--seconds", "0.2", "--seed", "5", "--json", "-"]) == 0
        document = json.loads(capfd.readouterr().out)
        document["provenance"] = None
        documents.append(document)
    assert documents[0] == documents[1]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--viewer", "rerrun"], 2, "Did you mean 'rerun'"),
        (["--video", "a.avi"], 2, "only .mp4"),
        (["--option", "nonsense"], 2, "expected name=value"),
        (["--option", "colour=3"], 2, "colour"),
        (["--task", "go1_wlak"], 2, "Did you mean 'go1_walk'"),
        (["--policy", "uni_o4/go1_walk", "--device", "cuda:77"], 2, "is not there, only cpu"),
        (
            ["--policy", "uni_o4/go1_walk", "--contract", "nowhere.yaml"],
            3,
            "nowhere.yaml is missing",
        ),
        (["--robot", "so101"], 2, "task 'go1_walk' is for robot 'go1', not 'so101'"),
        (["--task", "none"], 2, "--task, or --robot alone"),
        (
            ["--task", "none", "--robot", "go1", "--policy", "uni_o4/go1_walk"],
            3,
            "needs 'observation.velocity_command', task 'none' gives []",
        ),
    ],
)
def test_refuses_in_one_line_before_anything_moves(capfd, arguments, status, message):
    assert main([*COMMAND, *arguments]) == status
    printed = capfd.readouterr()
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1


def test_options_are_yaml_and_texts_are_taken_as_typed():
    words = ["port=/dev/ttyACM0", "rate=50", "calibrate=false"]
    options = {"port": "/dev/ttyACM0", "rate": 50, "calibrate": False}
    assert parse_options(words, "lerobot") == options
    for typed in ("12:30:07", "a: b", "007", "1.10", "yes", "{x"):
        assert parse_options([f"dataset={typed}"], "replay") == {"dataset": typed}
    with pytest.raises(ConfigError, match="expected name=value"):
        parse_options(["=3"], "replay")


def test_an_option_that_stands_for_millions_of_values_is_refused():
    with pytest.raises(ConfigError, match="--option episode=.*deeper than 64"):
        parse_options(["episode=" + "[" * 70 + "]" * 70], "replay")
