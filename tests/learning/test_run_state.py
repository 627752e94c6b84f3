"""A killed run goes on from its state bit for bit, and a damaged state is one line."""

import pytest
import torch

from robot_policies.interface import CheckpointError
from robot_policies.learning.networks import mlp
from robot_policies.learning.run_state import (
    fitting,
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


PLACES = {"weight": torch.zeros(3, 2), "count": torch.zeros((), dtype=torch.int64)}


def test_what_fits_is_taken_and_nothing_else():
    stored = {"weight": torch.ones(3, 2), "count": torch.tensor(4), "other": torch.ones(1)}
    assert fitting(stored, PLACES) == {name: stored[name] for name in PLACES}


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("weight", torch.ones(1), r"'weight' has shape \(1,\), this run has \(3, 2\)"),
        ("weight", torch.ones(1, 2), r"'weight' has shape \(1, 2\)"),
        ("weight", torch.ones(3, 2).double(), "'weight' has type torch.float64"),
        ("count", torch.ones(()), "'count' has type torch.float32, this run has torch.int64"),
    ],
)
def test_a_tensor_that_copying_would_spread_or_cast_is_refused(name, tensor, message):
    stored = {**PLACES, name: tensor}
    with pytest.raises(ValueError, match=message):
        fitting(stored, PLACES)
    with pytest.raises(ValueError, match=f"'{name}' is missing"):
        fitting({key: value for key, value in PLACES.items() if key != name}, PLACES)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("0.exp_avg", torch.ones(1), r"'0.exp_avg' has shape \(1,\), this run has \(5, 3\)"),
        ("1.step", torch.ones(5), r"'1.step' has shape \(5,\), this run has \(\)"),
        ("7.step", torch.ones(()), "moments of parameter 7, this run has 4"),
        ("0.exp_avg_sq", None, "'0.exp_avg_sq' is missing"),
    ],
)
def test_moments_of_other_parameters_are_refused(name, tensor, message):
    net, optimizer = made()
    train(net, optimizer, 1)
    stored = moments_of(optimizer) | {name: tensor}
    if tensor is None:
        del stored[name]
    with pytest.raises(ValueError, match=message):
        restore_moments(made()[1], stored)
