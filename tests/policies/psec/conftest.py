"""A tiny diffusion policy and a data set for it, written with LeRobot's own writer."""

import logging

import numpy as np
import pytest
import torch
from draccus.wrappers import docstring
from lerobot.configs.types import FeatureType, PolicyFeature

from robot_policies.policies.psec import PsecConfig
from robot_policies.policies.psec.modeling_psec import PsecPolicy

TINY = {"hidden": 16, "n_blocks": 1, "time_dim": 8, "n_frequencies": 4, "device": "cpu"}


@pytest.fixture(autouse=True)
def _offline_and_single_threaded(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    # LeRobot's parser reads the help text of every option out of the sources, each time.
    logging.getLogger("draccus").setLevel(logging.WARNING)
    monkeypatch.setattr(
        docstring, "get_attribute_docstring", lambda *_: docstring.AttributeDocString()
    )


@pytest.fixture
def config():
    def make(**overrides):
        return PsecConfig(
            **{
                **TINY,
                "input_features": {
                    "observation.state": PolicyFeature(FeatureType.STATE, (3,)),
                    "observation.environment_state": PolicyFeature(FeatureType.ENV, (2,)),
                },
                "output_features": {"action": PolicyFeature(FeatureType.ACTION, (2,))},
                **overrides,
            }
        )

    return make


@pytest.fixture
def policy(config):
    def make(**overrides):
        return PsecPolicy(config(**overrides)).eval()

    return make


@pytest.fixture
def batch():
    def make(size=4, chunk=1):
        generator = torch.Generator().manual_seed(1)
        return {
            "observation.state": torch.randn(size, 3, generator=generator),
            "observation.environment_state": torch.randn(size, 2, generator=generator),
            "action": torch.rand(size, chunk, 2, generator=generator) * 2 - 1,
            "action_is_pad": torch.zeros(size, chunk, dtype=torch.bool),
        }

    return make


@pytest.fixture
def dataset(tmp_path):
    from lerobot.datasets import LeRobotDataset

    root = tmp_path / "data"
    joints = ["FR_hip_joint", "FR_thigh_joint"]
    names = [*(f"{joint}.pos" for joint in joints), "FR_hip_joint.vel"]
    features = {
        "observation.state": {"dtype": "float32", "shape": (3,), "names": names},
        "observation.environment_state": {"dtype": "float32", "shape": (2,), "names": ["x", "y"]},
        "action": {"dtype": "float32", "shape": (2,), "names": [f"{j}.pos" for j in joints]},
    }
    for name, unit in zip(features, (["rad", "rad", "rad/s"], "m", "rad"), strict=True):
        features[name]["unit"] = unit
    data = LeRobotDataset.create("test/data", 10, features, root=root, use_videos=False)
    rng = np.random.default_rng(0)
    for _ in range(3):
        for _ in range(8):
            frame = {key: rng.normal(size=f["shape"]) for key, f in features.items()}
            data.add_frame({**{k: v.astype(np.float32) for k, v in frame.items()}, "task": "go"})
        data.save_episode()
    data.finalize()
    return root
