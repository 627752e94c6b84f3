"""The finished policy as a folder that LeRobot, and this package's runtime, can load."""

from pathlib import Path
from typing import Any

import yaml

from robot_policies.interface.observation import (
    COMMAND,
    IMU,
    IMU_NAMES,
    IMU_UNITS,
    STATE,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
    VELOCITY_COMMAND_UNITS,
)
from robot_policies.learning.elements import CONTRACT_VERSION
from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
from robot_policies.policies.uni_o4.modeling_uni_o4 import UniO4Policy
from robot_policies.policies.uni_o4.processor_uni_o4 import make_uni_o4_pre_post_processors


def export(policy: UniO4Policy, folder: Path) -> None:
    """Write a LeRobot checkpoint: configuration, weights, processors, and the joint contract."""
    preprocess, postprocess = make_uni_o4_pre_post_processors(policy.config)
    policy.save_pretrained(folder)
    preprocess.save_pretrained(folder)
    postprocess.save_pretrained(folder)
    text = yaml.safe_dump(contract(policy.config), sort_keys=False, default_flow_style=None)
    (folder / "contract.yaml").write_text(text, encoding="utf-8")


def contract(config: UniO4Config) -> dict[str, Any]:
    """Return which joints, sensors and units the checkpoint speaks of."""
    joints = config.joint_names
    return {
        "version": CONTRACT_VERSION,
        "robot": config.robot,
        "dt": config.dt,
        "observation": {
            STATE: {
                "names": [f"{joint}.{kind}" for kind in ("pos", "vel") for joint in joints],
                "unit": ["rad"] * len(joints) + ["rad/s"] * len(joints),
            },
            IMU: {"names": list(IMU_NAMES), "unit": list(IMU_UNITS)},
            VELOCITY_COMMAND: {
                "names": list(VELOCITY_COMMAND_NAMES),
                "unit": list(VELOCITY_COMMAND_UNITS),
            },
            COMMAND: {"names": [f"{joint}.target" for joint in joints], "unit": "rad"},
        },
        "action": {"kind": "joint_position", "names": list(joints), "unit": "rad"},
    }
