import json

from robot_policies.cli.app import main


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
