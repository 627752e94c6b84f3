"""From demonstrations of the task to a checkpoint, by the two commands that the docs name."""

import json

import numpy as np
import pytest

from robot_policies.cli.app import main
from robot_policies.policies.runtime import LerobotRuntime

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "demos"
    command = ["data", "generate", "--task", "tabletop_obstacle", "--episodes", "2"]
    command += ["--noise", "0.004"]
    assert main([*command, "--workers", "1", "--out", str(out)]) == 0
    return out


def test_lerobots_training_makes_a_policy_of_recorded_demonstrations(demonstrations, tmp_path):
    out = tmp_path / "trained"
    data = [f"--dataset.root={demonstrations}", "--dataset.repo_id=local/demos"]
    fast = ["--batch_size=4", "--num_workers=0", "--policy.device=cpu", "--log_freq=1"]
    assert main(["train", "grape", "--steps", "2", "--out", str(out), *data, *fast]) == 0
    folder = out / "checkpoints" / "last" / "pretrained_model"
    config = json.loads((folder / "config.json").read_text())
    assert config["keypoints"] == [
        f"{thing}.{axis}" for thing in ("blue_pad", "pink_pad", "obstacle") for axis in "xy"
    ]
    assert config["varied"] == [0, 1, 2, 6]
    policy = LerobotRuntime(folder)
    assert policy.action_spec.dt == pytest.approx(0.1)
    example = policy.observation_spec.example(np.random.default_rng(0))
    assert policy.act(example).values.shape == (1, 7)
