"""A fit that is stopped goes on as if nothing had happened."""

import pytest
import torch

from robot_policies.catalog import load_robot
from robot_policies.interface import CheckpointError
from robot_policies.policies.dressing import fit as fitting
from robot_policies.policies.dressing.configuration_dressing import POINT_WIDTH, DressingConfig
from robot_policies.policies.dressing.losses import imitation_loss
from robot_policies.policies.dressing.modeling_dressing import DressingPolicy

ROWS, UPDATES = 80, 6


def learner():
    torch.manual_seed(0)
    policy = DressingPolicy(DressingConfig.for_robot(load_robot("xarm7")))
    clouds, actions = torch.randn(ROWS, 2, 64, POINT_WIDTH), torch.randn(ROWS, 6).clamp(-1.0, 1.0)
    clouds[..., 6] = 1.0

    def loss(rows, views):
        seen = clouds[rows, torch.randint(2, (len(rows),), generator=views)]
        mean, log_std = (value[:, 0] for value in policy.actor(seen))
        return imitation_loss(mean, log_std, actions[rows])

    return policy, loss


def test_it_goes_on_bit_for_bit_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "KEPT", 2)
    whole, loss = learner()
    losses = []
    report = lambda value, done: losses.append(value)  # noqa: E731
    fitting.fit(whole, loss, ROWS, UPDATES, 3, report, tmp_path / "whole")

    def killed(value, done):
        if done == 5:
            raise KeyboardInterrupt

    stopped, loss = learner()
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(stopped, loss, ROWS, UPDATES, 3, killed, tmp_path / "state")
    anew, loss = learner()
    again = []
    report = lambda value, done: again.append(value)  # noqa: E731
    fitting.fit(anew, loss, ROWS, UPDATES, 3, report, tmp_path / "state")
    assert again == losses[4:]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, anew.state_dict()[name]), name


def test_the_state_of_another_fit_and_a_damaged_one_are_refused_in_one_line(tmp_path):
    policy, loss = learner()
    state = tmp_path / "student.safetensors"
    report = lambda value, done: None  # noqa: E731
    fitting.fit(policy, loss, ROWS, 1, 3, report, state, "student")
    with pytest.raises(CheckpointError, match="it is of .*student.* not of .*teacher"):
        fitting.fit(policy, loss, ROWS, 1, 3, report, state, "teacher")
    state.write_bytes(state.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="student.safetensors: cannot resume"):
        fitting.fit(policy, loss, ROWS, 1, 3, report, state, "student")
