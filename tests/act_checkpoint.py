"""An ACT checkpoint with random weights, as LeRobot writes it, for the robots shipped here."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import make_pre_post_processors

from robot_policies.catalog import load_robot
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.observation import IMAGES, STATE

SPREAD = 1e-6  # of the actions; the network's weights are random
TINY = {
    "dim_model": 16,
    "n_heads": 2,
    "dim_feedforward": 16,
    "n_encoder_layers": 1,
    "n_vae_encoder_layers": 1,
    "latent_dim": 4,
}


def write_act(
    folder: Path,
    robot: str = "so101",
    rows: int = 100,
    followed: int | None = None,
    periods: int = 1,
    **sizes: Any,
) -> Path:
    """Write a policy that looks through the robot's cameras and stays near its default pose.

    Args:
        folder: Where.
        robot: The robot.
        rows: Length of its plans.
        followed: How many rows of a plan are followed; by default all.
        periods: Control periods per row.
        **sizes: Of the network; without any, LeRobot's own.
    """
    table = load_robot(robot)
    action = {"kind": "joint_position", "names": list(table.joint_names), "unit": "rad"}
    return _write(folder, table, table.default, action, rows, followed, periods, **sizes)


def write_displacement(folder: Path, velocity: np.ndarray, periods: int) -> Path:
    """Write a policy that moves the SO-101's gripper by the same displacement again and again.

    Args:
        folder: Where.
        velocity: Of the gripper, shape (3,), in the base's frame. [m/s]
        periods: Control periods per row.
    """
    table = load_robot("so101")
    step = np.zeros(6)
    step[:3] = velocity * periods / table.control_rate
    action = {
        "kind": "cartesian_delta",
        "names": [*CARTESIAN_DELTA_NAMES],
        "unit": ["m"] * 3 + ["rad"] * 3,
    }
    return _write(folder, table, step, action, 10, 5, periods, **TINY)


def _write(folder, table, mean, action, rows, followed, periods, **sizes) -> Path:
    width = len(table.joints)
    pictures = {
        f"{IMAGES}.{camera.name}": PolicyFeature(
            FeatureType.VISUAL, (3, camera.height, camera.width)
        )
        for camera in table.cameras
    }
    config = ACTConfig(
        input_features={STATE: PolicyFeature(FeatureType.STATE, (width,)), **pictures},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (len(mean),))},
        device="cpu",
        push_to_hub=False,
        pretrained_backbone_weights=None,
        chunk_size=rows,
        n_action_steps=followed or rows,
        **sizes,
    )
    pose = torch.tensor(table.default, dtype=torch.float32)
    mean = torch.tensor(mean, dtype=torch.float32)
    picture = {key: torch.full((3, 1, 1), 0.5) for key in ("mean", "std")}
    joints = {"mean": pose, "std": torch.ones(width)}
    statistics = {STATE: joints, "action": {"mean": mean, "std": torch.full_like(mean, SPREAD)}}
    statistics |= dict.fromkeys(pictures, picture)
    torch.manual_seed(0)
    for part in (ACTPolicy(config), *make_pre_post_processors(config, dataset_stats=statistics)):
        part.save_pretrained(folder)
    contract = {
        "robot": table.name,
        "dt": periods / table.control_rate,
        "observation": {STATE: {"names": [f"{n}.pos" for n in table.joint_names], "unit": "rad"}},
        "action": action,
    }
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract))
    return folder
