"""Small walking policies as other projects publish them, with a network of one random layer."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper

LEGS = ("FR", "FL", "RR", "RL")
JOINTS = [f"{leg}_{part}_joint" for leg in LEGS for part in ("hip", "thigh", "calf")]
STANCE = [0.0, 0.8, -1.5] * 4
# As Isaac Lab numbers joints: breadth first, FL before FR.
ISAAC_MAP = [3, 0, 9, 6, 4, 1, 10, 7, 5, 2, 11, 8]
SLICE = "!!python/object/apply:builtins.slice\n      - null\n      - null\n      - null\n"


def write_network(path: Path, inputs: int, outputs: int = 12, seed: int = 0) -> None:
    """Write tanh(x W + b) as ONNX, with small weights."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(0.0, 0.3 / np.sqrt(inputs), (inputs, outputs)).astype(np.float32)
    bias = rng.normal(0.0, 0.05, outputs).astype(np.float32)
    nodes = [
        helper.make_node("Gemm", ["obs", "weight", "bias"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["actions"]),
    ]
    graph = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, inputs])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, [1, outputs])],
        [
            onnx.numpy_helper.from_array(weight, "weight"),
            onnx.numpy_helper.from_array(bias, "bias"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    path.write_bytes(made.SerializeToString())


def write_rl_sar(folder: Path, inputs: int = 45, outputs: int = 12, **changes: Any) -> Path:
    """Write `base.yaml`, `config.yaml` and a network; changes are of the configuration."""
    base = {"dt": 0.005, "decimation": 4, "joint_names": JOINTS, "default_dof_pos": STANCE}
    config = {
        "model_name": "policy.pt",
        "num_observations": 45,
        "observations": ["ang_vel", "gravity_vec", "commands", "dof_pos", "dof_vel", "actions"],
        "observations_history": [],
        "observations_history_priority": "time",
        "clip_obs": 100.0,
        "clip_actions_lower": [-100.0] * 12,
        "clip_actions_upper": [100.0] * 12,
        "rl_kp": [20.0] * 12,
        "rl_kd": [0.5] * 12,
        "action_scale": [0.125, 0.25, 0.25] * 4,
        "wheel_indices": [],
        "ang_vel_scale": 0.25,
        "dof_pos_scale": 1.0,
        "dof_vel_scale": 0.05,
        "commands_scale": [2.0, 2.0, 0.25],
        "joint_mapping": [*range(12)],
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.yaml").write_text(yaml.safe_dump({"go2": base}))
    (folder / "config.yaml").write_text(yaml.safe_dump({"go2/made_up": config}))
    write_network(folder / "policy.onnx", inputs, outputs)
    return folder


def isaac_lab(**changes: Any) -> dict[str, Any]:
    """Return a `deploy.yaml` of histories of 3, as data."""
    terms = ("base_ang_vel", "projected_gravity", "velocity_commands", "joint_pos_rel")
    stance = [STANCE[i] for i in ISAAC_MAP]
    return {
        "joint_ids_map": ISAAC_MAP,
        "step_dt": 0.02,
        "stiffness": [20.0, 21.0, 22.0] * 4,
        "damping": [0.5] * 12,
        "default_joint_pos": stance,
        "commands": {
            "base_velocity": {
                "ranges": {
                    "lin_vel_x": [-0.5, 1.0],
                    "lin_vel_y": [-0.3, 0.3],
                    "ang_vel_z": [-0.8, 0.8],
                    "heading": None,
                }
            }
        },
        "actions": {
            "JointPositionAction": {
                "clip": None,
                "joint_names": [".*"],
                "scale": [0.25] * 12,
                "offset": stance,
                "joint_ids": None,
            }
        },
        "observations": {
            term: {"params": {}, "clip": [-2.0, 2.0], "scale": [0.5] * width, "history_length": 3}
            for term, width in zip(
                (*terms, "joint_vel_rel", "last_action"), (3, 3, 3, 12, 12, 12), strict=True
            )
        },
        **changes,
    }


def write_isaac_lab(folder: Path, inputs: int = 135, **changes: Any) -> Path:
    """Write `params/deploy.yaml`, with Isaac Lab's slice in it, and `exported/policy.onnx`."""
    for name in ("params", "exported"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(isaac_lab(**changes), sort_keys=False)
    text += f"asset:\n  joint_ids: {SLICE}"
    (folder / "params" / "deploy.yaml").write_text(text)
    write_network(folder / "exported" / "policy.onnx", inputs)
    return folder
