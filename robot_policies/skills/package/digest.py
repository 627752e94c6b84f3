"""Hashes that say whether a skill is of this base, this normaliser and these files.

torch and LeRobot are imported where a network is hashed: a list of skills reads cards alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_policies.interface import Statistics

if TYPE_CHECKING:
    from lerobot.configs import PreTrainedConfig
    from torch import nn

# Of LeRobot's own fields, those that decide what a network computes.
SHARED = ("n_obs_steps", "input_features", "output_features", "normalization_mapping")
# Of a policy's, those that only say how it was trained or where its first weights came from.
TRAINING = ("optimizer_", "scheduler_", "average_", "pretrained_", "restart_", "total_steps")


def sha256(data: bytes) -> str:
    """Return `sha256:` and the digest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def file_digest(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def json_digest(data: Any) -> str:
    """Return the digest of a JSON document, whatever its spacing and the order of its keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(text.encode())


def base_hash(policy: "nn.Module", config: "PreTrainedConfig") -> str:
    """Return the digest of a network: names, shapes, types and bytes, and its architecture.

    Two networks of the same shapes differ in it, and so do two of the same weights with another
    activation or noise schedule.
    """
    import torch

    digest = hashlib.sha256(json_digest(architecture(config)).encode())
    for name, tensor in sorted(policy.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(plain.view(torch.uint8).numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


def architecture(config: "PreTrainedConfig") -> dict[str, Any]:
    """Return the settings of a policy that decide what it computes, as JSON types."""
    import draccus
    from lerobot.configs import PreTrainedConfig

    general = {field.name for field in fields(PreTrainedConfig)}
    names = [
        field.name
        for field in fields(config)
        if field.name in SHARED
        or (field.name not in general and not field.name.startswith(TRAINING))
    ]
    encoded = draccus.encode(config)
    return {"type": config.type, **{name: encoded[name] for name in names}}


def normaliser_hash(statistics: Mapping[str, Statistics]) -> str:
    """Return the digest of what a policy's inputs and outputs are scaled with."""
    return json_digest(
        {
            name: {
                "mode": entry.mode,
                **{key: value.tolist() for key, value in sorted(entry.values.items())},
            }
            for name, entry in statistics.items()
        }
    )
