"""An ACT checkpoint with random weights, as LeRobot writes it, for the robots shipped here."""

from pathlib import Path
from typing import Any

import torch
import yaml
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import make_pre_post_processors

from robot_policies.catalog import load_robot
from robot_policies.interface.observation import IMAGES, STATE

TINY = {
    "dim_model": 16,
    "n_heads": 2,
    "dim_feedforward": 16,
    "n_encoder_layers": 1,
    "n_vae_encoder_layers": 1,
    "latent_dim": 4,
}


def write_act(folder: Path, robot: str = "so101", rows: int = 100, **sizes: Any) -> Path:
    """Write a policy that looks through the robot's cameras and stays near its default pose.

    Args:
        folder: Where.
        robot: The robot.
        rows: Length of its plans, all of which is followed at the control rate.
        **sizes: Of the network; without any, LeRobot's own.
    """
    table, width = load_robot(robot), len(load_robot(robot).joints)
    pictures = {
        f"{IMAGES}.{camera.name}": PolicyFeature(
            FeatureType.VISUAL, (3, camera.height, camera.width)
        )
        for camera in table.cameras
    }
    config = ACTConfig(
        input_features={STATE: PolicyFeature(FeatureType.STATE, (width,)), **pictures},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (width,))},
        device="cpu",
        push_to_hub=False,
        pretrained_backbone_weights=None,
        chunk_size=rows,
        n_action_steps=rows,
        **sizes,
    )
    pose, narrow = torch.tensor(table.default, dtype=torch.float32), torch.full((width,), 1e-4)
    picture = {key: torch.full((3, 1, 1), 0.5) for key in ("mean", "std")}
    joints = {"mean": pose, "std": torch.ones(width)}
    statistics = {STATE: joints, "action": {"mean": pose, "std": narrow}}
    statistics |= dict.fromkeys(pictures, picture)
    torch.manual_seed(0)
    for part in (ACTPolicy(config), *make_pre_post_processors(config, dataset_stats=statistics)):
        part.save_pretrained(folder)
    names = list(table.joint_names)
    contract = {
        "robot": robot,
        "dt": 1.0 / table.control_rate,
        "observation": {STATE: {"names": [f"{name}.pos" for name in names], "unit": "rad"}},
        "action": {"kind": "joint_position", "names": names, "unit": "rad"},
    }
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract))
    return folder
