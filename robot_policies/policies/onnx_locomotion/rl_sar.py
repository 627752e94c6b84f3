"""rl_sar's `base.yaml` and `config.yaml`.

Observations are scaled, then clipped. `observations_history` lists control steps ago in the order
of the input. Joint i of the policy is `joint_names[joint_mapping[i]]`. The answer is clipped, and
seen clipped.

Reference: fan-ziqi/rl_sar, `library/core/rl_sdk` and `library/core/observation_buffer`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.documents import read_yaml
from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.errors import suggestion
from robot_policies.interface.schema import vector
from robot_policies.policies.onnx_locomotion.foreign import (
    Foreign,
    entry,
    need,
    network_file,
    permutation,
    positive,
    short,
)
from robot_policies.policies.onnx_locomotion.terms import KINDS

BASE, CONFIG = "base.yaml", "config.yaml"
# Their name of a term: ours, and the key of its scale.
TERMS = {
    "ang_vel": ("base_ang_vel", "ang_vel_scale"),
    "ang_vel_body": ("base_ang_vel", "ang_vel_scale"),
    "gravity_vec": ("projected_gravity", ""),
    "commands": ("velocity_commands", "commands_scale"),
    "dof_pos": ("joint_pos_rel", "dof_pos_scale"),
    "dof_vel": ("joint_vel_rel", "dof_vel_scale"),
    "actions": ("last_action", ""),
}


def read_rl_sar(folder: Path, robot: RobotSpec) -> Foreign:
    """Read a policy.

    Args:
        folder: With `config.yaml`; `base.yaml` lies beside it or in the folder above.
        robot: Whose inertial unit measures.

    Raises:
        ConfigError: Naming the key, and the nearest valid name.
        CheckpointError: If there is no ONNX file.
    """
    where = str(folder / CONFIG)
    bases = [place / BASE for place in (folder, folder.resolve().parent)]
    base = next((path for path in bases if path.is_file()), bases[0])
    said = {**_only(base), **_only(folder / CONFIG)}
    names = need(said, "joint_names", where)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{base}: joint_names must be a list of texts, got {names!r}")
    count = len(names)
    order = permutation(
        said.get("joint_mapping", [*range(count)]), count, f"{where}: joint_mapping"
    )
    if said.get("wheel_indices"):
        raise ConfigError(f"{where}: wheel_indices {said['wheel_indices']}: no robot has wheels")

    def joints(key: str) -> np.ndarray:
        return vector(need(said, key, where), count, f"{where}: {key}")

    terms, widths = _terms(said, count, robot, where)
    clips = [
        said.get(f"clip_actions_{end}") or bound
        for end, bound in (("lower", -np.inf), ("upper", np.inf))
    ]
    clip = [
        bound if np.isscalar(bound) else vector(bound, count, f"{where}: clip_actions")
        for bound in clips
    ]
    bounded = all(np.isfinite(bound).all() for bound in clip)
    dt = positive(need(said, "dt", where), f"{where}: dt")
    steps = positive(need(said, "decimation", where), f"{where}: decimation")
    model = str(need(said, "model_name", where))
    return Foreign(
        joints=tuple(names[i] for i in order),
        dt=round(dt * steps, 9),
        stiffness=joints("rl_kp"),
        damping=joints("rl_kd"),
        network={
            "default_position": short(joints("default_dof_pos")),
            "stacked_by": _priority(said, where),
            "observation": terms,
            "action": {
                "scale": short(joints("action_scale")),
                "offset": short(joints("default_dof_pos")),
                **({"clip": [short(bound) for bound in clip]} if bounded else {}),
            },
        },
        network_file=network_file([folder], model, widths),
        assumed=("angular velocity is measured in the body frame",),
    )


def _only(path: Path) -> dict[str, Any]:
    """Return what stands under the one key of a file: `go2`, or `go2/robot_lab`."""
    data = read_yaml(path, dumped=True)
    (key, said), *rest = data.items() or [("", None)]
    if rest or not isinstance(said, dict):
        raise ConfigError(f"{path}: expected one robot's settings under one key, got {[*data]}")
    return said


def _terms(
    said: dict[str, Any], count: int, robot: RobotSpec, where: str
) -> tuple[list[dict[str, Any]], int]:
    """Return the terms and the width of the network's input."""
    listed = need(said, "observations", where)
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f"{where}: observations must be a list of terms, got {listed!r}")
    history = said.get("observations_history") or [0]
    if not isinstance(history, list) or any(type(a) is not int or a < 0 for a in history):
        raise ConfigError(f"{where}: observations_history {history!r} must list steps ago, >= 0")
    largest = said.get("clip_obs")
    terms, width = [], 0
    for name in listed:
        if name not in TERMS:
            raise ConfigError(f"{where}: no term '{name}'.{suggestion(str(name), TERMS)}")
        kind, key = TERMS[name]
        wide = KINDS[kind].width(count)
        scale = vector(said.get(key, 1.0) if key else 1.0, wide, f"{where}: {key}")
        clip = None
        if largest is not None:
            most = vector(positive(largest, f"{where}: clip_obs"), wide, where)
            clip = np.stack([-most, most])
        terms.append(entry(kind, robot, scale, clip, history))
        width += wide
    claimed = said.get("num_observations", width)
    if claimed != width:
        raise ConfigError(f"{where}: num_observations {claimed}, but its terms have {width}")
    return terms, width * len(history)


def _priority(said: dict[str, Any], where: str) -> str:
    stacked = said.get("observations_history_priority", "time")
    if stacked not in ("time", "term"):
        raise ConfigError(
            f"{where}: no observations_history_priority '{stacked}'."
            f"{suggestion(str(stacked), ('time', 'term'))}"
        )
    return stacked
