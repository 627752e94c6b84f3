import base64
import json

import pytest

from robot_policies.cli.app import main
from robot_policies.evaluation import episode

COMMAND = ["evaluate", "--policy", "hold", "--task", "go1_walk", "--backend", "mujoco"]
COMMAND += ["--episodes", "2", "--seed", "3", "--workers", "1"]


def test_json_report_and_episodes_say_the_same(capfd, tmp_path):
    options = ["--delay-ms", "40", "--out", str(tmp_path / "e"), "--films", "2", "--json", "-"]
    assert main([*COMMAND, *options]) == 0
    printed = capfd.readouterr()
    assert f"report: {tmp_path / 'e' / 'report.html'}" in printed.err
    document = json.loads(printed.out)
    (cell,) = document["cells"]
    assert (cell["policy"], cell["task"], cell["backend"]) == ("hold", "go1_walk", "mujoco")
    assert cell["episodes"] == 2
    assert cell["success"]["mean"] == 0.5  # seed 3 is told to stand, and holding does
    assert cell["metrics"]["fall"]["mean"] == 0.0
    origin = document["provenance"]
    assert origin["settings"]["seed"] == 3
    assert origin["settings"]["delay_ms"] == 40.0
    assert origin["settings"]["conditions"][""]["delay"] == 0.04
    assert origin["versions"]["mujoco"]
    assert origin["checkpoints"] == {"hold": None}
    files = sorted(path.name for path in (tmp_path / "e").iterdir())
    assert files == [
        "card.md",
        "episodes.json",
        "evaluation.json",
        "films",
        "initial_conditions.json",
        "outcomes.parquet",
        "report.html",
    ]
    assert json.loads((tmp_path / "e" / "evaluation.json").read_text()) == document
    rows = json.loads((tmp_path / "e" / "episodes.json").read_text())
    assert [row["seed"] for row in rows] == [3, 4]
    (film,) = (tmp_path / "e" / "films").iterdir()  # seed 4 alone fails
    assert film.name == "hold-go1_walk-mujoco-4.mp4"
    inside = base64.b64encode(film.read_bytes()).decode()
    assert inside in (tmp_path / "e" / "report.html").read_text()
    initial = json.loads((tmp_path / "e" / "initial_conditions.json").read_text())
    assert set(initial["go1_walk"]) == {"3", "4"}


def test_a_crashed_episode_is_counted_listed_and_fatal_to_the_status(monkeypatch, capfd):
    whole = episode._run

    def break_on_seed_4(job):
        if job.seed == 4:
            raise ZeroDivisionError("the physics diverged")
        return whole(job)

    monkeypatch.setattr(episode, "_run", break_on_seed_4)
    assert main([*COMMAND, "--json", "-"]) == 3
    printed = capfd.readouterr()
    (cell,) = json.loads(printed.out)["cells"]
    assert cell["episodes"] == 2
    assert [entry["seed"] for entry in cell["errors"]] == [4]
    assert "1 of 2 episodes crashed" in printed.err
    assert "seed 4" in printed.err


@pytest.mark.parametrize(
    ("option", "wrong", "near"),
    [
        ("--policy", "hodl", "hold"),
        ("--task", "go1_wlak", "go1_walk"),
        ("--backend", "mujco", "mujoco"),
    ],
)
def test_a_wrong_name_ends_it_before_it_begins(capfd, option, wrong, near):
    changed = list(COMMAND)
    changed[changed.index(option) + 1] = wrong
    assert main([*changed, "--json", "-"]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert f"Did you mean '{near}'" in printed.err


def test_the_same_command_again_repeats_nothing(capfd, tmp_path):
    command = [*COMMAND, "--out", str(tmp_path / "e"), "--json", "-"]
    assert main(command) == 0
    first = capfd.readouterr()
    assert main(command) == 0
    second = capfd.readouterr()
    assert "2 of 2 episodes were there already" in second.err
    assert json.loads(second.out)["cells"] == json.loads(first.out)["cells"]
    command[command.index("--seed") + 1] = "4"
    assert main(command) == 2
    assert "is of another suite: seed: 3 there, 4 here" in capfd.readouterr().err


def test_a_suite_runs_its_cells_and_lists_those_that_cannot(capfd, tmp_path):
    path = tmp_path / "suite.yaml"
    names = "policies: [hold]\ntasks: [go1_walk]\nbackends: [mujoco, loopback]\nepisodes: 1\n"
    path.write_text(f"{names}skip_incompatible: true\n")
    out = tmp_path / "e"
    assert main(["evaluate", "--suite", str(path), "--out", str(out), "--json", "-"]) == 0
    ran, refused = json.loads(capfd.readouterr().out)["cells"]
    assert (ran["backend"], ran["episodes"]) == ("mujoco", 1)
    assert (refused["backend"], refused["episodes"], refused["success"]["mean"]) == (
        "loopback",
        0,
        None,
    )
    assert "is no simulator" in refused["refused"]
    assert "is no simulator" in (out / "report.html").read_text()
    assert main(["evaluate", "--suite", str(path), "--seed", "3"]) == 2
    assert "--suite says this itself: --seed" in capfd.readouterr().err


@pytest.mark.parametrize("wrong", ["2", "a/b", "3/2", "1/2/3"])
def test_a_part_that_is_none_is_refused(capfd, wrong):
    assert main([*COMMAND, "--shard", wrong]) == 2
    assert "shard" in capfd.readouterr().err
