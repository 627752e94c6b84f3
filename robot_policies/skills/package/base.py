"""What a skill must fit: the policy it was trained on, as far as a skill can tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_policies.documents import read_yaml
from robot_policies.interface import CheckpointError
from robot_policies.policies.checkpoint import Checkpoint, read_checkpoint
from robot_policies.policies.contract import FILE as CONTRACT
from robot_policies.skills.mixing.layers import linear_layers
from robot_policies.skills.package.digest import base_hash, normaliser_hash


@dataclass(frozen=True, eq=False)
class SkillBase:
    """A base policy, described.

    Attributes:
        name: What it is called in messages.
        kind: LeRobot's type of policy.
        hash: Digest of weights and architecture.
        normaliser: Digest of the statistics.
        robot: Robot it drives; empty without a contract.
        dt: Time between two actions; 0 without a contract. [s]
        observation: Names and units of each vector.
        action: Kind, names and units.
        layers: Outputs and inputs of each linear layer.
    """

    name: str
    kind: str
    hash: str
    normaliser: str
    robot: str
    dt: float
    observation: Mapping[str, Any]
    action: Mapping[str, Any]
    layers: Mapping[str, tuple[int, int]]


def read_base(folder: Path, name: str = "") -> SkillBase:
    """Read a checkpoint and describe it.

    Raises:
        CheckpointError: If the checkpoint is damaged.
    """
    return describe_base(read_checkpoint(folder, "cpu"), name)


def describe_base(checkpoint: Checkpoint, name: str = "") -> SkillBase:
    """Describe a checkpoint that is loaded.

    Args:
        checkpoint: Without skills in its network; they do not change the hash, for they are not
            part of it. It lies beside its `contract.yaml`, if it drives a robot.
        name: What it is called in messages.
    """
    files, folder = checkpoint.files, checkpoint.folder
    data = read_yaml(files.path(CONTRACT)) if CONTRACT in files else {}
    try:
        observation = {
            key: _elements(entry)
            for key, entry in (data.get("observation") or {}).items()
            if "frame" not in entry  # a cloud has no named elements
        }
        action = data.get("action") or {}
        if action:
            kind = str(action.get("kind", "joint_position"))
            action = {"kind": kind, **_elements(action)}
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / CONTRACT} is malformed at {error}") from None
    linears = linear_layers(checkpoint.policy)
    return SkillBase(
        name=name or folder.name,
        kind=checkpoint.config.type,
        hash=base_hash(checkpoint.policy, checkpoint.config),
        normaliser=normaliser_hash(checkpoint.statistics),
        robot=str(data.get("robot", "")),
        dt=float(data.get("dt", 0.0)),
        observation=observation,
        action=action,
        layers={key: (m.out_features, m.in_features) for key, m in linears.items()},
    )


def _elements(entry: Mapping[str, Any]) -> dict[str, list[str]]:
    names, unit = list(entry["names"]), entry["unit"]
    return {"names": names, "unit": [unit] * len(names) if isinstance(unit, str) else list(unit)}
