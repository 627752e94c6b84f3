"""Checkpoints of LeRobot's policy types with random weights, as LeRobot writes them, small."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies.factory import (
    get_policy_class,
    make_policy_config,
    make_pre_post_processors,
)
from lerobot.processor import (
    AbsoluteActionsProcessorStep,
    NormalizerProcessorStep,
    RelativeActionsProcessorStep,
    UnnormalizerProcessorStep,
)
from lerobot.processor.rename_processor import RenameObservationsProcessorStep
from lerobot.utils.constants import OBS_IMAGE

from robot_policies.catalog import load_robot
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.observation import ENVIRONMENT_STATE, IMAGES, STATE

FPS = 30
DEGREES = 3.0  # deviation of positions and targets, so that the gate lets them pass
SPREAD = 1e-6  # of the actions of an ACT that stays where it is; its weights are random
TINY: dict[str, Any] = {
    "dim_model": 16,
    "n_heads": 2,
    "dim_feedforward": 16,
    "n_encoder_layers": 1,
    "n_vae_encoder_layers": 1,
    "latent_dim": 4,
}
TRANSFORMER: dict[str, Any] = {**TINY, "pretrained_backbone_weights": None}
UNET: dict[str, Any] = {
    "down_dims": (16, 32),
    "n_groups": 4,
    "diffusion_step_embed_dim": 16,
    "spatial_softmax_num_keypoints": 4,
    "num_inference_steps": 2,
    "pretrained_backbone_weights": None,
}
BEHAVIOUR: dict[str, Any] = {
    "crop_shape": (40, 40),
    "pretrained_backbone_weights": None,
    "n_vqvae_training_steps": 1,
    "gpt_n_layer": 1,
    "gpt_n_head": 2,
    "gpt_hidden_dim": 16,
    "gpt_output_dim": 16,
    "gpt_input_dim": 16,
    "vqvae_enc_hidden_dim": 16,
}
PLANNER: dict[str, Any] = {
    "n_gaussian_samples": 16,
    "n_pi_samples": 4,
    "n_elites": 4,
    "cem_iterations": 2,
    "latent_dim": 8,
    "mlp_dim": 16,
    "image_encoder_hidden_dim": 4,
    "q_ensemble_size": 2,
}
READER: dict[str, Any] = {  # of instructions; its language model is lerobot_language_model.py's
    "chunk_size": 8,
    "n_action_steps": 4,
    "resize_imgs_with_padding": (64, 64),
    "max_state_dim": 8,
    "max_action_dim": 8,
    "tokenizer_max_length": 16,
    "num_vlm_layers": 2,
    "num_steps": 2,
}
# name: (type, cameras, whether it is told where things are, settings)
FORMS: dict[str, tuple[str, int, bool, dict[str, Any]]] = {
    "act": ("act", 1, False, {**TRANSFORMER, "chunk_size": 8, "n_action_steps": 4}),
    "act ensemble": (
        "act",
        0,
        True,
        {
            **TRANSFORMER,
            "chunk_size": 8,
            "n_action_steps": 1,
            "temporal_ensemble_coeff": 0.2,
        },
    ),
    "act relative": ("act", 0, True, {**TRANSFORMER, "chunk_size": 8, "n_action_steps": 1}),
    "diffusion": ("diffusion", 1, False, {**UNET, "horizon": 16, "n_action_steps": 8}),
    "diffusion without pictures": (
        "diffusion",
        0,
        True,
        {**UNET, "horizon": 8, "n_action_steps": 3, "n_obs_steps": 3, "drop_n_last_frames": 3},
    ),
    "vqbet": ("vqbet", 1, False, BEHAVIOUR),
    "tdmpc": ("tdmpc", 0, True, PLANNER),
    "tdmpc with a plan": (
        "tdmpc",
        0,
        True,
        {**PLANNER, "n_action_repeats": 1, "n_action_steps": 3},
    ),
    "smolvla": ("smolvla", 2, False, READER),
}
RELATIVE = ("act relative",)  # whose actions are displacements from the newest state


def write(
    folder: Path,
    form: str,
    joints: tuple[str, ...],
    robot: str,
    size: int = 48,
    looks: bool = False,
) -> Path:
    """Write a policy of degrees, whose statistics lie round the robot's default pose.

    Args:
        folder: Where.
        form: One of `FORMS`.
        joints: Of the robot.
        robot: Its name.
        size: Of its pictures, which are square. [px]
        looks: Whether a form that is told where things are has a picture instead.
    """
    kind, cameras, told, settings = FORMS[form]
    if told and looks:
        cameras, told = 1, False
    width = len(joints)
    features = {STATE: PolicyFeature(FeatureType.STATE, (width,))}
    cameras_seen = [f"{IMAGES}.{name}" for name in ("top", "wrist")[:cameras]]
    # LeRobot's TDMPC has one picture, and no other name for it.
    renamed = dict.fromkeys(cameras_seen, OBS_IMAGE) if kind == "tdmpc" else {}
    pictures = [renamed.get(name, name) for name in cameras_seen]
    features |= {name: PolicyFeature(FeatureType.VISUAL, (3, size, size)) for name in pictures}
    if told:
        features[ENVIRONMENT_STATE] = PolicyFeature(FeatureType.ENV, (3,))
    config = make_policy_config(
        kind,
        input_features=features,
        output_features={"action": PolicyFeature(FeatureType.ACTION, (width,))},
        device="cpu",
        push_to_hub=False,
        **settings,
    )
    pose = torch.tensor(np.rad2deg(load_robot(robot).default), dtype=torch.float32)
    relative = form in RELATIVE
    statistics = {
        name: {"mean": m, "std": s, "min": m - 2.0 * s, "max": m + 2.0 * s}
        for name, m, s in (
            (STATE, pose, torch.full((width,), DEGREES)),
            ("action", 0.0 * pose if relative else pose, torch.full((width,), DEGREES)),
            (ENVIRONMENT_STATE, torch.zeros(3), torch.ones(3)),
            *((picture, torch.full((3, 1, 1), 0.5), torch.ones(3, 1, 1)) for picture in pictures),
        )
    }
    vectors = {STATE: {"names": [f"{name}.pos" for name in joints], "unit": "deg"}}
    if told:
        vectors[ENVIRONMENT_STATE] = {"names": [f"cube.{axis}" for axis in "xyz"], "unit": "m"}
    contract = {
        "version": 2,
        "robot": robot,
        "dt": 1.0 / FPS,
        "observation": vectors,
        "action": {"kind": "joint_position", "names": list(joints), "unit": "deg"},
    }
    return save(folder, config, statistics, contract, renamed, relative)


def write_act(
    folder: Path,
    robot: str = "so101",
    rows: int = 100,
    followed: int | None = None,
    periods: int = 1,
    **sizes: Any,
) -> Path:
    """Write an ACT that looks through the robot's cameras and stays near its default pose.

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
    return _write_still(folder, table, table.default, action, rows, followed, periods, **sizes)


def write_displacement(folder: Path, velocity: np.ndarray, periods: int) -> Path:
    """Write an ACT that moves the SO-101's gripper by the same displacement again and again.

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
    return _write_still(folder, table, step, action, 10, 5, periods, **TINY)


def _write_still(folder, table, mean, action, rows, followed, periods, **sizes) -> Path:
    width = len(table.joints)
    pictures = {
        f"{IMAGES}.{camera.name}": PolicyFeature(
            FeatureType.VISUAL, (3, camera.height, camera.width)
        )
        for camera in table.cameras
    }
    config = make_policy_config(
        "act",
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
    contract = {
        "robot": table.name,
        "dt": periods / table.control_rate,
        "observation": {STATE: {"names": [f"{n}.pos" for n in table.joint_names], "unit": "rad"}},
        "action": action,
    }
    return save(folder, config, statistics, contract)


def save(
    folder: Path,
    config: Any,
    statistics: Any,
    contract: dict[str, Any],
    renamed: Mapping[str, str] | None = None,
    relative: bool = False,
) -> Path:
    """Write a policy with random weights.

    Args:
        folder: Where.
        config: LeRobot's configuration of it.
        statistics: Mean and deviation per feature.
        contract: Its `contract.yaml`.
        renamed: LeRobot's name of a picture, by ours.
        relative: Whether its actions are displacements from the newest state.
    """
    torch.manual_seed(0)
    policy: Any = get_policy_class(config.type)(config)
    if config.type == "vqbet":
        policy.vqbet.action_head.vqvae_model.discretized.fill_(True)
    before, after = make_pre_post_processors(config, dataset_stats=statistics)
    for step in before.steps:
        if isinstance(step, RenameObservationsProcessorStep):
            step.rename_map = dict(renamed or {})
    if relative:  # placed as LeRobot's pi0 places them
        step = RelativeActionsProcessorStep(enabled=True)
        normalise = [isinstance(one, NormalizerProcessorStep) for one in before.steps].index(True)
        before.steps.insert(normalise, step)
        back = [isinstance(one, UnnormalizerProcessorStep) for one in after.steps].index(True)
        after.steps.insert(
            back + 1, AbsoluteActionsProcessorStep(enabled=True, relative_step=step)
        )
    for part in (policy, before, after):
        part.save_pretrained(folder)
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract))
    return folder
