"""The diffusion policy: shapes, sampling, averages, checkpoints, training through LeRobot."""

import sys

import numpy as np
import pytest
import torch
from conformance import check_policy
from safetensors.torch import load_file

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.psec.modeling_psec import PsecPolicy, TrainingParts

ARGUMENTS = [
    "--policy.type=psec",
    "--policy.hidden=16",
    "--policy.n_blocks=1",
    "--policy.time_dim=8",
    "--policy.n_frequencies=4",
    "--policy.device=cpu",
    "--policy.robot=go1",
]


@pytest.mark.parametrize("network", ["ln_resnet", "mlp"])
@pytest.mark.parametrize("chunk", [1, 3])
def test_actions_have_their_shape_and_stay_where_the_sampler_clips(policy, batch, network, chunk):
    made = policy(network=network, chunk_size=chunk, n_action_steps=1)
    actions = made.predict_action_chunk(batch())
    assert actions.shape == (4, chunk, 2)
    assert actions.abs().max() <= 1.0
    assert made.select_action(batch()).shape == (4, 2)


def test_the_papers_network_has_the_size_of_the_papers(config):
    from lerobot.configs.types import FeatureType, PolicyFeature

    full = config(
        hidden=256,
        n_blocks=3,
        time_dim=128,
        n_frequencies=32,
        input_features={"observation.state": PolicyFeature(FeatureType.STATE, (17,))},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (6,))},
    )
    count = sum(parameter.numel() for parameter in PsecPolicy(full).parameters())
    assert count == pytest.approx(1.64e6, rel=0.01)


def test_every_step_is_clipped_and_the_last_adds_no_noise(policy):
    made = policy(temperature=0.0)
    seen = []

    def denoise(x, observation, step):
        seen.append((int(step[0]), x.clone()))
        return torch.full_like(x, -1e3)

    assert (made.sample(torch.zeros(2, 5), denoise) == 1.0).all()
    assert [step for step, _ in seen] == [4, 3, 2, 1, 0]
    assert all((x == 1.0).all() for _, x in seen[1:])


def test_a_chunk_is_used_up_before_the_next_is_drawn(policy, batch):
    made = policy(chunk_size=3, n_action_steps=2)
    torch.manual_seed(5)
    chunk = made.predict_action_chunk(batch())
    torch.manual_seed(5)
    first, second = made.select_action(batch()), made.select_action(batch())
    torch.testing.assert_close(torch.stack([first, second], 1), chunk[:, :2])


def test_it_learns_a_batch(policy, batch):
    made = policy(hidden=48, dropout=0.0).train()
    samples = batch(8)
    many = {name: tensor.repeat(16, *[1] * (tensor.ndim - 1)) for name, tensor in samples.items()}
    optimizer = torch.optim.AdamW(made.get_optim_params(), lr=5e-3)
    for _ in range(120):
        loss, _ = made(many)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    error = made.predict_action_chunk(samples) - samples["action"]
    assert error.abs().mean() < 0.15


def test_steps_and_noise_differ_from_one_training_step_to_the_next(policy, batch):
    made = policy(dropout=0.0)
    made.training_parts = TrainingParts(made.network)
    first = made(batch())[0].item()
    assert made(batch())[0].item() == first  # of one step, the noise is fixed
    made.update()
    assert made(batch())[0].item() != first


def test_the_average_follows_and_is_what_acts(policy, batch):
    made = policy(average_rate=0.25)
    made.training_parts = TrainingParts(made.network)
    before = made.network.output.bias.detach().clone()
    made.training_parts.step.fill_(1000)
    with torch.no_grad():
        made.training_parts.network.output.bias.add_(4.0)
    made.update()
    torch.testing.assert_close(made.network.output.bias, before + 1.0)
    torch.manual_seed(0)
    acted = made.predict_action_chunk(batch())
    made.training_parts = None
    torch.manual_seed(0)
    assert torch.equal(acted, made.predict_action_chunk(batch()))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("network", "resnet", "Did you mean 'ln_resnet'"),
        ("activation", "swish", "Available"),
        ("action_kind", "velocity", "Did you mean"),
        ("n_denoising_steps", 1, ">= 2"),
        ("dropout", 1.0, "in \\[0, 1\\)"),
        ("n_action_steps", 2, "chunk_size = 1"),
        ("n_obs_steps", 2, "must be 1"),
        ("normalization_mapping", {"ACTION": "MEAN_STD"}, "clips to"),
        ("average_rate", 0.0, "in \\(0, 1\\]"),
    ],
)
def test_nonsense_is_refused(config, field, value, said):
    with pytest.raises(ConfigError, match=said):
        config(**{field: value})


def test_images_are_refused(config):
    from lerobot.configs.types import FeatureType, PolicyFeature

    image = {"observation.images.top": PolicyFeature(FeatureType.VISUAL, (3, 8, 8))}
    with pytest.raises(ConfigError, match="vectors only"):
        PsecPolicy(config(input_features=image))


@pytest.fixture
def train(dataset, tmp_path, monkeypatch):
    """Run LeRobot's own training loop; returns the folder of the last checkpoint."""
    from lerobot.scripts import lerobot_train

    def run(*arguments, steps=4, out="run"):
        command = [
            "lerobot-train",
            "--dataset.repo_id=test/data",
            f"--dataset.root={dataset}",
            f"--output_dir={tmp_path / out}",
            f"--steps={steps}",
            "--batch_size=4",
            "--num_workers=0",
            *arguments,
        ]
        monkeypatch.setattr(sys, "argv", command)
        lerobot_train.train()
        return tmp_path / out / "checkpoints" / "last" / "pretrained_model"

    return run


def test_lerobot_trains_it_resumes_it_and_the_runtime_loads_it(train, tmp_path):
    whole = train(*ARGUMENTS, "--save_freq=2", steps=4, out="whole")
    half = tmp_path / "whole" / "checkpoints" / "000002" / "pretrained_model"
    done = load_file(whole / "model.safetensors")
    average, trained = (
        load_file(half / "model.safetensors"),
        load_file(half / "training_parts.safetensors"),
    )
    assert int(trained["training_parts.step"]) == 2
    assert set(average) == {key for key in done if key.startswith("network.")}
    assert not torch.equal(
        average["network.output.bias"], trained["training_parts.network.output.bias"]
    )

    resumed = train("--resume=true", f"--config_path={half / 'train_config.json'}", "--steps=4")
    again = load_file(resumed / "model.safetensors")
    raw = "training_parts.safetensors"
    assert int(load_file(resumed / raw)["training_parts.step"]) == 4
    assert all(torch.equal(again[key], done[key]) for key in done)

    runtime = load_policy(str(whole))
    assert runtime.action_spec.array.names == ("FR_hip_joint", "FR_thigh_joint")
    observation = runtime.observation_spec.example(np.random.default_rng(0))
    runtime.reset(3)
    first = runtime.act(observation).values
    runtime.reset(3)
    assert np.array_equal(first, runtime.act(observation).values)
    assert runtime.action_spec.horizon == 1
    check_policy(runtime)


def test_other_joints_than_the_robots_are_refused(config, dataset):
    from lerobot.datasets import LeRobotDatasetMetadata

    meta = LeRobotDatasetMetadata("test/data", root=dataset)
    meta.features["action"]["names"] = ["FR_hip_jont.pos", "FR_thigh_joint.pos"]
    with pytest.raises(ConfigError, match="Did you mean 'FR_hip_joint'"):
        PsecPolicy(config(robot="go1"), dataset_meta=meta)


def test_weights_of_another_network_are_refused(policy, tmp_path):
    policy().save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    from safetensors.torch import save_file

    state = load_file(weights)
    state.pop("network.output.bias")
    save_file(state, weights)
    with pytest.raises(CheckpointError, match=r"network\.output\.bias"):
        PsecPolicy.from_pretrained(tmp_path)


def test_an_adapter_that_lerobot_trains_becomes_a_skill(train, dataset, tmp_path):
    pytest.importorskip("peft")
    from robot_policies.skills.library.library import SkillLibrary
    from robot_policies.skills.package.base import read_base

    base = train(*ARGUMENTS, steps=1, out="base")
    arguments = [f"--policy.path={base}", "--peft.method_type=LORA", "--peft.r=4"]
    made = train(*arguments, steps=2, out="adapter")
    described = read_base(base)
    library = SkillLibrary(tmp_path / "library", tmp_path / "none")
    entry = library.adopt(made, described, "fetched", "1.0.0")
    skill = library.load("fetched", described)
    assert entry.card.base.hash == described.hash
    assert set(skill.adapter) == {name for name in described.layers if "network" in name}
    assert any(part.up.any() for part in skill.adapter.values())
