import pytest

from robot_policies.cli.app import main

TINY = ["train", "uni_o4", "--stage", "online", "--task", "go1_walk", "--environments", "4"]

OFFLINE = ["train", "uni_o4", "--stage", "offline"]
STARTED = [*OFFLINE, "--out", "x", "--data", "nowhere", "--init", "uni_o4/go1_walk"]


def test_the_online_stage_writes_a_checkpoint_and_resumes(tmp_path):
    out = tmp_path / "walk"
    assert main([*TINY, "--steps", "1", "--out", str(out)]) == 0
    assert (out / "config.json").exists()
    assert (out / "model.safetensors").exists()
    assert main([*TINY, "--steps", "2", "--out", str(out)]) != 0  # would overwrite
    assert main([*TINY, "--steps", "130", "--out", str(out), "--resume"]) == 0
    assert len((out / "train.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "uni_o4", "--stage", "online", "--steps", "1"], "--out is missing"),
        ([*TINY, "--out", "x"], "--minutes or --steps"),
        ([*TINY, "--out", "x", "--steps", "1", "--batch_size=3"], "no option --batch_size=3"),
        ([*OFFLINE, "--out", "x"], "--data and --init are needed"),
        ([*OFFLINE, "--out", "x", "--data", "d", "--init", "uni_o4/go1_wlk"], "uni_o4/go1_walk"),
        ([*STARTED, "--reward", "wlk"], "Did you mean 'walk'"),
        ([*STARTED, "--method", "ppo"], "no method 'ppo'"),
        ([*STARTED, "--hold-out", "1.5"], "--hold-out 1.5"),
        ([*STARTED, "--hold-out", "much"], "'--hold-out'"),
        (STARTED, "no LeRobotDataset"),
        (["train", "uni_o4", "--stage", "offlin", "--out", "x"], "no stage"),
        (["train", "actt"], "Did you mean 'act'?"),
        (["train", "act", "--dataset.root=nowhere"], "no LeRobotDataset"),
    ],
)
def test_wrong_usage_is_refused(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_any_other_training_is_lerobots_with_our_policies_known(monkeypatch):
    import sys

    from lerobot.configs.policies import PreTrainedConfig
    from lerobot.scripts import lerobot_train

    called = []
    monkeypatch.setattr(lerobot_train, "main", lambda: called.append(list(sys.argv)))
    command = ["train", "act", "--steps", "5", "--out", "o", "--dataset.repo_id=a/b"]
    assert main(command) == 0
    assert called == [
        [
            "lerobot-train",
            "--policy.type=act",
            "--steps=5",
            "--output_dir=o",
            "--dataset.repo_id=a/b",
        ]
    ]
    assert "uni_o4" in PreTrainedConfig.get_known_choices()


def test_a_policy_with_a_trainer_of_its_own_gets_the_arguments(monkeypatch):
    from robot_policies.policies.act_jepa import train

    called = []
    monkeypatch.setattr(train, "main", called.append)
    assert main(["train", "act_jepa", "--stage", "probe", "--seed", "3", "--x=y"]) == 0
    assert called == [["--policy.type=act_jepa", "--seed=3", "--stage=probe", "--x=y"]]


def test_help_lists_every_training(capsys):
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("act_jepa", "uni_o4", "TYPE"))
