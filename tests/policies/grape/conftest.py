"""A small GRAPE policy with random weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature

from robot_policies.catalog import load_robot
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.policies.grape.configuration_grape import GrapeConfig
from robot_policies.policies.grape.modeling_grape import GrapePolicy
from robot_policies.policies.grape.processor_grape import make_grape_pre_post_processors

SO101 = load_robot("so101")
WORDS = ["blue", "cube", "on", "pad", "pink", "put", "the"]
THINGS = ["blue_pad.x", "blue_pad.y", "pink_pad.x", "pink_pad.y"]
LOW, HIGH = (
    torch.tensor([-0.02] * 3 + [0.0] * 3 + [0.1]),
    torch.tensor([0.03] * 3 + [0.0] * 3 + [0.6]),
)


def config_of(**changes) -> GrapeConfig:
    numbers = {"image_size": 24, "hidden": 32, "heads": 2, "scale_factor": 2, "bins": 16}
    numbers["words"] = WORDS
    joints = list(SO101.joint_names)
    return GrapeConfig(
        device="cpu",
        varied=[0, 1, 2, 6],
        keypoints=THINGS,
        robot="so101",
        dt=0.1,
        element_names={
            "observation.state": [f"{joint}.pos" for joint in joints],
            "action": [*CARTESIAN_DELTA_NAMES, "gripper"],
        },
        element_units={"observation.state": ["rad"] * 6, "action": ["m"] * 3 + ["rad"] * 4},
        input_features={
            "observation.state": PolicyFeature(FeatureType.STATE, (6,)),
            "observation.images.top": PolicyFeature(FeatureType.VISUAL, (3, 24, 24)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (7,))},
        **{**numbers, **changes},
    )


def statistics() -> dict:
    state = {"mean": torch.zeros(6), "std": torch.ones(6)}
    return {"observation.state": state, "action": {"q01": LOW, "q99": HIGH}}


@pytest.fixture
def make_policy() -> Callable:
    """Return a policy with its pipelines."""

    def make(**changes):
        torch.manual_seed(0)
        config = config_of(**changes)
        return GrapePolicy(config).eval(), *make_grape_pre_post_processors(config, statistics())

    return make


@pytest.fixture
def save() -> Callable:
    """Return what writes a checkpoint."""

    def write(folder: Path, policy, preprocessor, postprocessor) -> Path:
        for part in (policy, preprocessor, postprocessor):
            part.save_pretrained(folder)
        return folder

    return write
