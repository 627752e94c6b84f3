"""A killed run goes on from its state bit for bit, and a damaged state is one line."""

import pytest
import torch

from robot_policies.interface import CheckpointError
from robot_policies.learning.networks import mlp
from robot_policies.learning.run_state import (
    grouped,
    moments_of,
    of_group,
    read_state,
    restore_moments,
    resuming,
    write_state,
)


def train(net, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(8, 3)).square().mean().backward()
        optimizer.step()


def made(seed=0):
    torch.manual_seed(seed)
    net = mlp(3, (5,), 1)
    return net, torch.optim.Adam(net.parameters(), lr=0.01)


def test_a_resumed_optimiser_takes_the_very_same_steps(tmp_path):
    path = tmp_path / "made" / "state.safetensors"
    net, optimizer = made()
    train(net, optimizer, 3)
    tensors = {**grouped("net", net.state_dict()), **grouped("adam", moments_of(optimizer))}
    write_state(path, {**tensors, "chance": torch.get_rng_state()}, {"step": "3"})
    train(net, optimizer, 3)

    resumed, again = made(seed=9)
    stored, metadata = read_state(path)
    resumed.load_state_dict(of_group("net", stored))
    restore_moments(again, of_group("adam", stored))
    torch.set_rng_state(stored["chance"])
    train(resumed, again, 3)
    assert metadata == {"step": "3"}
    for name, value in net.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_group_is_not_another_that_begins_like_it():
    tensors = {"adam.1.0.step": torch.ones(1), "adam.10.0.step": torch.zeros(1)}
    assert list(of_group("adam.1", tensors)) == ["0.step"]


def test_a_damaged_state_is_one_line(tmp_path):
    path = tmp_path / "state.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="cannot resume"), resuming(path):
        read_state(path)
