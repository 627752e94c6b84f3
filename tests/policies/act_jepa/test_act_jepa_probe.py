"""The world-model probe: what a frozen encoder knows of the states to come."""

import json

import pytest
import torch

from robot_policies.interface import ConfigError
from robot_policies.policies.act_jepa import train
from robot_policies.policies.act_jepa.modeling_act_jepa import ActJepaPolicy
from robot_policies.policies.act_jepa.probe_data import Encoded, load_encoder
from robot_policies.policies.act_jepa.probe_fits import ProbeConfig, probe, regress


def encoded(informative: bool, episodes: int = 10, length: int = 30) -> Encoded:
    """Contexts that hold the future, or nothing of it. Four steps of one state to come."""
    generator = torch.Generator().manual_seed(0)
    frames = episodes * length
    states = torch.randn(frames, 4, 1, generator=generator)
    context = torch.randn(frames, 2, 32, generator=generator)
    if informative:
        context[:, 0, :4] = 3.0 * states[:, :, 0]
    valid = torch.ones(frames, 4, dtype=torch.bool)
    return Encoded(context, states, valid, torch.arange(frames) // length)


def test_context_that_holds_the_future_is_read_better(config):
    numbers = ProbeConfig(steps=100, batch_size=64, layers=1, dropout=0.0, lr=3e-3)
    scale = torch.tensor([2.0])
    knows = probe(encoded(True), scale, config(), numbers)
    ignorant = probe(encoded(False), scale, config(), numbers)
    assert knows["rmse"] < 0.75 * ignorant["rmse"]
    assert ignorant["rmse"] > 1.8  # the deviation of the states in recorded units is 2
    assert knows["ate"] == pytest.approx(knows["rmse"], rel=0.5)


def test_regression_reads_what_is_linear_exactly_and_nothing_else():
    numbers, scale = ProbeConfig(), torch.tensor([2.0])
    assert regress(encoded(True), scale, numbers)["rmse"] < 0.01
    assert regress(encoded(False), scale, numbers)["rmse"] == pytest.approx(2.0, abs=0.5)


def test_split_that_leaves_one_side_empty_is_refused(config):
    with pytest.raises(ConfigError, match="leaves one side empty"):
        probe(encoded(True), torch.ones(1), config(), ProbeConfig(held_out=1.0))


def test_command_compares_checkpoints_with_a_random_encoder(config, write_dataset, tmp_path):
    root = write_dataset(episodes=4)
    folder = tmp_path / "run"
    train.main(
        [
            "--policy.chunk_size=4",
            "--policy.n_action_steps=2",
            "--policy.dim_model=32",
            "--policy.n_heads=2",
            "--policy.predictor_dim=16",
            "--policy.device=cpu",
            "--dataset.repo_id=test/data",
            f"--dataset.root={root}",
            f"--output_dir={folder}",
            "--steps=1",
            "--batch_size=4",
        ]
    )
    checkpoint = folder / "checkpoints" / "last" / "pretrained_model"
    report = tmp_path / "probe.json"
    train.main(
        [
            "--stage=probe",
            f"--dataset.root={root}",
            f"--encoder=joint={checkpoint}",
            "--steps=2",
            f"--json={report}",
        ]
    )
    said = json.loads(report.read_text())
    assert 0.0 < said["stays"]["rmse"] < 2.0
    found = said["encoders"]
    assert found.keys() == {"joint", "random"}
    assert all(errors["rmse"] > 0.0 for errors in found.values())

    loaded, _ = load_encoder(checkpoint, fresh=False, seed=0)
    fresh, _ = load_encoder(checkpoint, fresh=True, seed=0)
    assert isinstance(loaded, ActJepaPolicy)
    weight = "sequence.embed_state.weight"
    assert not torch.equal(loaded.context.state_dict()[weight], fresh.context.state_dict()[weight])


def test_folder_that_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="NAME=CHECKPOINT"):
        train.main(["--stage=probe", f"--dataset.root={tmp_path}", f"--encoder=joint={tmp_path}"])
