"""A tiny policy and tiny data sets, written with LeRobot's own writer."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from draccus.wrappers import docstring
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.datasets import LeRobotDataset

from robot_policies.policies.act_jepa import ActJepaConfig
from robot_policies.policies.act_jepa.modeling_act_jepa import ActJepaPolicy

JOINTS = ["shoulder", "elbow", "gripper"]
FPS = 10
TINY = {
    "chunk_size": 4,
    "n_action_steps": 2,
    "dim_model": 32,
    "n_heads": 2,
    "dim_feedforward": 32,
    "n_encoder_layers": 1,
    "predictor_dim": 16,
    "predictor_feedforward": 32,
    "n_predictor_layers": 1,
    "vision_backbone": "keypoints",
    "pretrained_backbone_weights": None,
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def _offline_and_single_threaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    # LeRobot's training turns debug messages on for everybody, and its parser has thousands; it
    # also reads the help text of every option of every policy out of the sources, each time.
    logging.getLogger("draccus").setLevel(logging.WARNING)
    monkeypatch.setattr(
        docstring, "get_attribute_docstring", lambda *_: docstring.AttributeDocString()
    )


@pytest.fixture
def config() -> Callable[..., ActJepaConfig]:
    def make(**overrides: object) -> ActJepaConfig:
        cameras = overrides.pop("cameras", 0)
        features = {"observation.state": PolicyFeature(FeatureType.STATE, (3,))}
        for camera in range(cameras):
            name = f"observation.images.{camera}"
            features[name] = PolicyFeature(FeatureType.VISUAL, (3, 16, 24))
        return ActJepaConfig(
            **{
                **TINY,
                "input_features": features,
                "output_features": {"action": PolicyFeature(FeatureType.ACTION, (3,))},
                **overrides,
            }
        )

    return make


@pytest.fixture
def policy(config: Callable[..., ActJepaConfig]) -> Callable[..., ActJepaPolicy]:
    """A policy in training mode without dropout, so that two passes can be compared."""

    def make(**overrides: object) -> ActJepaPolicy:
        made = ActJepaPolicy(config(**{"dropout": 0.0, **overrides}), for_training=True)
        return made.train()

    return make


@pytest.fixture
def batch() -> Callable[..., dict[str, torch.Tensor]]:
    def make(size: int = 5, cameras: int = 0) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(1)
        steps = TINY["chunk_size"]
        pad = torch.zeros(size, steps, dtype=torch.bool)
        images = {
            f"observation.images.{camera}": torch.rand(size, 3, 16, 24, generator=generator)
            for camera in range(cameras)
        }
        return {
            "observation.state": torch.randn(size, steps, 3, generator=generator),
            "observation.state_is_pad": pad.clone(),
            "action": torch.randn(size, steps, 3, generator=generator),
            "action_is_pad": pad.clone(),
            "episode_index": torch.arange(size),
            "index": torch.arange(size),
            **images,
        }

    return make


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Write episodes of a joint that follows its target; returns the folder."""

    def write(
        name: str = "data",
        *,
        episodes: int = 3,
        length: int = 8,
        joints: list[str] | None = None,
        tasks: tuple[str, ...] = ("push",),
        state: bool = True,
        camera: bool = False,
        robot_type: str = "",
        unlabelled: tuple[int, ...] = (),
        unit: str | list[str] | None = "rad",
    ) -> Path:
        names = joints or JOINTS
        root = tmp_path / name
        vector = {"dtype": "float32", "shape": (len(names),)}
        if unit:
            vector["unit"] = unit
        features = {"action": {**vector, "names": names}}
        if state:
            features["observation.state"] = {**vector, "names": [f"{n}.pos" for n in names]}
        if camera:
            features["observation.images.top"] = {
                "dtype": "image",
                "shape": (16, 24, 3),
                "names": ["height", "width", "channels"],
            }
        data = LeRobotDataset.create(
            "test/data", FPS, features, root=root, robot_type=robot_type, use_videos=False
        )
        rng = np.random.default_rng(0)
        for episode in range(episodes):
            goal = rng.normal(size=len(names))
            position = rng.normal(size=len(names))
            for _ in range(length):
                target = position + 0.3 * (goal - position)
                action = np.full_like(target, np.nan) if episode in unlabelled else target
                frame = {"action": action.astype(np.float32), "task": tasks[episode % len(tasks)]}
                if state:
                    frame["observation.state"] = position.astype(np.float32)
                if camera:
                    frame["observation.images.top"] = rng.integers(
                        0, 256, (16, 24, 3), dtype=np.uint8
                    )
                data.add_frame(frame)
                position = target
            data.save_episode()
        data.finalize()
        return root

    return write
