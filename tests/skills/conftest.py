"""A tiny checkpoint, and skills for it."""

from pathlib import Path

import pytest
import torch
import yaml
from lerobot.configs.types import FeatureType, PolicyFeature

from robot_policies.policies.psec import PsecConfig
from robot_policies.policies.psec.modeling_psec import PsecPolicy
from robot_policies.policies.psec.processor_psec import make_psec_pre_post_processors
from robot_policies.skills.mixing.layers import LowRank, linear_layers
from robot_policies.skills.package.base import read_base
from robot_policies.skills.package.skill import pack

JOINTS = ["FR_hip_joint", "FR_thigh_joint"]
UNITS = {"rad": "rad", "deg": "deg"}


@pytest.fixture(autouse=True)
def _single_threaded():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make_policy(**overrides):
    config = PsecConfig(
        hidden=16,
        n_blocks=1,
        time_dim=8,
        n_frequencies=4,
        device="cpu",
        input_features={"observation.state": PolicyFeature(FeatureType.STATE, (3,))},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (2,))},
        **overrides,
    )
    return PsecPolicy(config).eval()


@pytest.fixture
def policy():
    return make_policy()


@pytest.fixture
def make_base(tmp_path):
    """Write a checkpoint; returns its folder."""

    def make(name="base", *, seed=1, std=1.0, unit="rad", **overrides) -> Path:
        torch.manual_seed(seed)
        made = make_policy(**overrides)
        statistics = {
            "observation.state": {"mean": torch.zeros(3), "std": torch.full((3,), std)},
            "action": {"min": -torch.ones(2), "max": torch.ones(2)},
        }
        folder = tmp_path / name
        made.save_pretrained(folder)
        for pipeline in make_psec_pre_post_processors(made.config, statistics):
            pipeline.save_pretrained(folder)
        names = [*(f"{joint}.pos" for joint in JOINTS), "FR_hip_joint.vel"]
        contract = {
            "robot": "go1",
            "dt": 0.05,
            "observation": {"observation.state": {"names": names, "unit": [unit, unit, "rad/s"]}},
            "action": {"kind": "joint_position", "names": JOINTS, "unit": unit},
        }
        (folder / "contract.yaml").write_text(yaml.safe_dump(contract))
        return folder

    return make


@pytest.fixture
def base(make_base):
    return read_base(make_base(), "psec/base")


@pytest.fixture
def adapter():
    """Make a random skill for all linear layers of a policy."""

    def make(policy, seed=0, rank=8, scale=2.0, layers=None):
        generator = torch.Generator().manual_seed(seed)
        return {
            name: LowRank(
                torch.randn(rank, linear.in_features, generator=generator) / 4,
                torch.randn(linear.out_features, rank, generator=generator) / 4,
                scale,
            )
            for name, linear in linear_layers(policy).items()
            if layers is None or name in layers
        }

    return make


@pytest.fixture
def make_skill(tmp_path, base, adapter):
    """Write a skill for the base; returns its folder."""

    def make(name="avoid", version="1.0.0", *, seed=0, of=None, folder="", **options) -> Path:
        target = tmp_path / (folder or f"made-{name}-{version}")
        made = adapter(make_policy(), seed)
        return pack(target, of or base, name, version, adapter=made, **options).folder

    return make
