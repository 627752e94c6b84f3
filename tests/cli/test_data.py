"""Recording, looking at a recording, and playing it back."""

import json

import pytest

from robot_policies.cli.app import main

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
PLACE = ["--task", "go1_walk", "--backend", "mujoco"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "held"
    command = ["data", "record", "--policy", "hold", *PLACE, "--out", str(folder)]
    assert main([*command, "--episodes", "2", "--seconds", "0.4", "--seed", "5"]) == 0
    return folder


def test_a_recording_is_shown_with_its_units(dataset, capfd):
    assert main(["data", "show", str(dataset), "--json", "-"]) == 0
    about = json.loads(capfd.readouterr().out)
    assert (about["robot"], about["episodes"], about["frames"]) == ("go1", 2, 40)
    assert about["features"]["action"]["unit"] == ["rad"] * 12
    assert main(["data", "show", str(dataset)]) == 0
    assert "FR_hip_joint" in capfd.readouterr().out


def test_replaying_in_the_same_simulator_repeats_the_recording(dataset, capfd):
    command = ["data", "replay", str(dataset), "--episode", "1", *PLACE, "--json", "-"]
    assert main(command) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["steps"] == 20
    assert document["initial"]["goal"]  # of seed 6, not of the command's seed 0
    assert max(document["rms_deviation"].values()) < 1e-4  # recorded as float32


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "show", "no_such_folder"],
        ["data", "replay", "no_such_folder", *PLACE],
        ["data", "convert", "no_such_file.npz", "out"],
        ["data", "convert", "no_such_folder", "out"],
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(arguments, capfd):
    assert main(arguments) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1


def test_an_episode_that_is_not_there_is_refused(dataset, capfd):
    assert main(["data", "replay", str(dataset), "--episode", "9", *PLACE]) == 2
    assert "no episode 9; there are 2" in capfd.readouterr().err
