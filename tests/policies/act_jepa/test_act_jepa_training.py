"""The training command, end to end on tiny data sets: LeRobot's loop with our policy."""

import sys

import numpy as np
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.datasets import LeRobotDataset
from lerobot.processor import ProcessorStepRegistry
from lerobot.scripts import lerobot_train
from safetensors.torch import load_file

from robot_policies.interface import CheckpointError
from robot_policies.policies import act_jepa
from robot_policies.policies.act_jepa import train
from robot_policies.policies.act_jepa.memory import hold_in_memory
from robot_policies.policies.act_jepa.modeling_act_jepa import ActJepaPolicy
from robot_policies.policies.catalog import load_policy

TINY_ARGUMENTS = [
    "--policy.chunk_size=4",
    "--policy.n_action_steps=2",
    "--policy.dim_model=32",
    "--policy.n_heads=2",
    "--policy.dim_feedforward=32",
    "--policy.n_encoder_layers=1",
    "--policy.predictor_dim=16",
    "--policy.predictor_feedforward=32",
    "--policy.n_predictor_layers=1",
    "--policy.vision_backbone=keypoints",
    "--policy.device=cpu",
]


@pytest.fixture
def losses(monkeypatch):
    """The loss of every step, as it is computed; with it, the shapes of the batches."""
    seen = []
    forward = ActJepaPolicy.forward

    def spy(self, batch):
        loss, log = forward(self, batch)
        seen.append(loss.item())
        seen_shapes.append({k: tuple(v.shape) for k, v in batch.items() if torch.is_tensor(v)})
        return loss, log

    seen_shapes = []
    monkeypatch.setattr(ActJepaPolicy, "forward", spy)
    monkeypatch.setattr(ActJepaPolicy, "seen_shapes", seen_shapes, raising=False)
    return seen


@pytest.fixture
def run(tmp_path):
    """Train on a data set; returns the folder of the last checkpoint."""

    def train_on(root, *arguments, steps=2, out="run", sizes=True):
        train.main(
            [
                *(TINY_ARGUMENTS if sizes else ["--policy.device=cpu"]),
                "--dataset.repo_id=test/data",
                f"--dataset.root={root}",
                f"--output_dir={tmp_path / out}",
                f"--steps={steps}",
                "--batch_size=4",
                *arguments,
            ]
        )
        return tmp_path / out / "checkpoints" / "last" / "pretrained_model"

    return train_on


def test_killed_run_resumes_to_the_same_losses(run, write_dataset, tmp_path, losses, monkeypatch):
    root = write_dataset()
    whole = run(root, "--save_freq=10", steps=20, out="whole")
    expected = losses[:]
    assert len(expected) == 20

    losses.clear()
    update = ActJepaPolicy.update

    def killed(self):
        update(self)
        if len(losses) == 13:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ActJepaPolicy, "update", killed)
        with pytest.raises(KeyboardInterrupt):
            run(root, "--save_freq=10", steps=20, out="killed")
    assert losses == expected[:13]

    losses.clear()
    folder = tmp_path / "killed" / "checkpoints" / "last" / "pretrained_model"
    train.main(["--resume=true", f"--config_path={folder / 'train_config.json'}"])
    assert losses == expected[10:]
    for name in ("model.safetensors", "training_parts.safetensors"):
        mine, theirs = load_file(folder / name), load_file(whole / name)
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs)

    with pytest.raises(CheckpointError, match="all 20 steps of this run are done"):
        train.main(["--resume=true", f"--config_path={folder / 'train_config.json'}"])


def test_saved_checkpoint_answers_bit_for_bit_as_the_trained_policy(
    run, write_dataset, losses, monkeypatch
):
    joints = ["FR_hip_joint", "FR_thigh_joint", "FR_calf_joint"]
    root = write_dataset(
        joints=joints, robot_type="go1", tasks=("push", "pull"), camera=True, episodes=4
    )
    made = []
    reset = ActJepaPolicy.reset
    monkeypatch.setattr(ActJepaPolicy, "reset", lambda self: (made.append(self), reset(self)))
    folder = run(root)
    trained = made[0]
    monkeypatch.undo()

    assert "target" in "".join(load_file(folder / "training_parts.safetensors"))
    loaded = load_policy(str(folder))
    assert loaded._network.training_parts is None  # neither target nor predictor were built
    assert loaded.observation_spec.needs_task
    assert loaded.observation_spec["observation.state"].names[0] == "FR_hip_joint.pos"
    assert loaded.action_spec.array.names == tuple(joints)
    assert loaded.action_spec.dt == pytest.approx(0.1)

    observation = loaded.observation_spec.example(np.random.default_rng(0))
    observation._values["task"] = "pull"
    chunk = loaded.act(observation)
    assert np.array_equal(load_policy(str(folder)).act(observation).values, chunk.values)
    with torch.inference_mode():
        batch = loaded.prepare(observation)
        assert torch.equal(
            trained.predict_action_chunk(batch), loaded._network.predict_action_chunk(batch)
        )


def test_one_image_is_loaded_and_thirty_give_the_same_loss(
    run, write_dataset, tmp_path, losses, monkeypatch
):
    root = write_dataset(camera=True)
    run(root)
    assert ActJepaPolicy.seen_shapes[0]["observation.images.top"] == (4, 3, 16, 24)
    assert ActJepaPolicy.seen_shapes[0]["observation.state"] == (4, 4, 3)
    expected = losses[:]

    losses.clear()
    ActJepaPolicy.seen_shapes.clear()
    plain = [
        "lerobot-train",
        "--policy.discover_packages_path=robot_policies.policies",
        "--policy.type=act_jepa",
        *TINY_ARGUMENTS,
        "--policy.total_steps=2",
        "--dataset.repo_id=test/data",
        f"--dataset.root={root}",
        f"--output_dir={tmp_path / 'plain'}",
        "--steps=2",
        "--batch_size=4",
        "--num_workers=0",
    ]
    monkeypatch.setattr(sys, "argv", plain)
    lerobot_train.train()
    assert ActJepaPolicy.seen_shapes[0]["observation.images.top"] == (4, 4, 3, 16, 24)
    assert losses == expected


def test_unlabelled_episodes_move_neither_scale_nor_head(run, write_dataset, losses):
    marked = run(write_dataset("nan", unlabelled=(1,)), out="run_nan")
    listed = run(write_dataset("all"), "--policy.labelled_episodes=[0, 2]", out="run_listed")
    for name in (
        "model.safetensors",
        "policy_preprocessor_step_4_normalizer_processor.safetensors",
    ):
        mine, theirs = load_file(marked / name), load_file(listed / name)
        assert all(torch.equal(mine[key], theirs[key]) for key in theirs if "count" not in key)
    assert np.isfinite(losses).all()


def test_two_stages_leave_the_encoder_as_it_was(run, write_dataset):
    root = write_dataset()
    first = run(root, "--policy.objective=pretrain", out="first")
    second = run(
        root,
        f"--policy.path={first}",
        "--policy.objective=frozen",
        steps=3,
        out="second",
        sizes=False,
    )
    before, after = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved
    assert all(key.startswith("decoder.") for key in moved)


@pytest.mark.parametrize("arguments", [["--policy.objective=act"], ["--policy.type=act"]])
def test_both_baselines_train_by_the_same_command(run, write_dataset, arguments):
    lerobots = "--policy.type=act" in arguments
    sizes = ["--policy.chunk_size=4", "--policy.n_action_steps=4", "--policy.use_vae=false"]
    sizes += ["--policy.dim_model=32", "--policy.n_heads=2", "--policy.dim_feedforward=32"]
    sizes += ["--policy.pretrained_backbone_weights=null"]
    folder = run(
        write_dataset(camera=True),
        *arguments,
        *(sizes if lerobots else []),
        steps=1,
        sizes=not lerobots,
    )
    weights = load_file(folder / "model.safetensors")
    assert not any("target" in key for key in weights)


def test_hindsight_is_learned_from_any_demonstration(run, write_dataset, losses):
    folder = run(write_dataset(camera=True), "--policy.hindsight_weight=1.0")
    assert any("hindsight" in key for key in load_file(folder / "training_parts.safetensors"))
    assert not any("hindsight" in key for key in load_file(folder / "model.safetensors"))
    assert np.isfinite(losses).all()


def test_defaults_are_the_presets_and_the_users_word_comes_last():
    arguments = train.with_defaults(["--preset=small", "--policy.dim_model=64"])
    assert "--policy.dim_model=128" not in arguments
    assert arguments[-1] == "--policy.dim_model=64"
    assert {"--steps=2000", "--policy.total_steps=2000", "--batch_size=32"} <= set(arguments)
    arguments = train.with_defaults(["--steps=7"])
    assert "--policy.total_steps=7" in arguments
    assert "--batch_size=128" in arguments
    assert train.with_defaults(["--resume=true"]) == ["--resume=true"]


@pytest.mark.parametrize("episodes", [None, [2, 0]])
@pytest.mark.parametrize("camera", [False, True])
def test_samples_from_memory_are_those_from_disk(write_dataset, camera, episodes):
    root = write_dataset(camera=camera, tasks=("push", "pull"))
    times = [0.0, 0.1, 0.2, 0.3]
    past = [-0.1, 0.0]
    windows = {"observation.state": times, "action": past}
    disk, memory = (
        LeRobotDataset("test/data", root=root, delta_timestamps=windows, episodes=episodes)
        for _ in range(2)
    )
    hold_in_memory(memory)
    for index in range(len(disk)):
        expected, found = disk[index], memory[index]
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            if torch.is_tensor(value):
                assert found[key].dtype == value.dtype, key
                assert torch.equal(found[key], value), key
            else:
                assert found[key] == value


def test_images_over_time_are_left_to_lerobot(write_dataset):
    windows = {"observation.images.top": [0.0, 0.1]}
    data = LeRobotDataset("test/data", root=write_dataset(camera=True), delta_timestamps=windows)
    assert hold_in_memory(data)[0]["observation.images.top"].shape == (2, 3, 16, 24)


def test_the_package_alone_registers_all_that_a_checkpoint_names():
    assert PreTrainedConfig.get_choice_class("act_jepa") is act_jepa.ActJepaConfig
    step = ProcessorStepRegistry.get("act_jepa_task_index")
    assert step is act_jepa.TaskIndexProcessorStep
