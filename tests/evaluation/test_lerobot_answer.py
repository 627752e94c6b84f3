import numpy as np
import pytest
import torch
from lerobot_checkpoints import TINY, write_act

from robot_policies.evaluation.lerobot_answer import ANSWERS, answers, made_up, main, question
from robot_policies.interface import CheckpointError, Observation
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.checkpoint import read_checkpoint


def test_lerobot_alone_answers_as_the_policy_does(tmp_path):
    folder = write_act(tmp_path / "act", "so101", 10, **TINY)
    policy = load_policy(str(folder))
    checkpoint = read_checkpoint(folder, "cpu")
    values = made_up(checkpoint.config)
    assert sorted(values) == sorted(policy.observation_spec)

    chunk = policy.act(Observation(values, dict.fromkeys(values, 1.0)))
    asked = question(folder)()
    assert asked.shape == (10, 6)
    np.testing.assert_allclose(asked, chunk.values, rtol=1e-5)


def test_each_answer_is_timed_but_the_first():
    asked = []
    times = answers(lambda: asked.append(torch.zeros(1)))
    assert len(asked) == ANSWERS + 1
    assert len(times) == ANSWERS
    assert min(times) > 0.0


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError):
        question(tmp_path)


def test_a_fault_of_the_process_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["lerobot_answer", str(tmp_path / "none"), "", "0", "cpu"])
    with pytest.raises(SystemExit, match=r"^.*none.*$"):
        main()
