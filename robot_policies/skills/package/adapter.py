"""peft's LoRA files, read and written without peft: `adapter_config.json` and its tensors.

peft (checked with 0.21.2) loads a file that lacks half of its tensors with a warning; here every
tensor the configuration asks for must be there, of the right rank and shape, finite, and no other.
What peft offers beyond plain LoRA (DoRA, biases, full modules, patterns) is refused by name.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from robot_policies.interface import CheckpointError
from robot_policies.policies.weights import read_shapes, read_tensors
from robot_policies.skills.mixing.layers import Adapter, LowRank
from robot_policies.skills.package.card import FILES, check_file, read_json

CONFIG, WEIGHTS = FILES
PREFIX = "base_model.model."
ALL = "all-linear"
MAX_RANK = 1024
HEADER_BYTES = 1 << 20
MAX_PATTERN_BYTES = 1 << 30  # of an adapter whose layers a pattern names
MAX_ALPHA = 1e6
HANDLED = ("peft_type", "r", "lora_alpha", "target_modules", "use_rslora", "init_lora_weights")
# First values that leave the base as it was; peft's other ways take something out of it.
KEEPS_BASE = (None, True, False, "gaussian", "orthogonal", "eva")
# What a peft configuration may say besides, because it changes nothing in a trained adapter.
INERT = frozenset(
    [
        "base_model_name_or_path",
        "auto_mapping",
        "revision",
        "task_type",
        "inference_mode",
        "lora_dropout",
        "peft_version",
        "megatron_core",
        "runtime_config",
        "loftq_config",
        "eva_config",
        "corda_config",
        "lora_ga_config",
        "qalora_group_size",
        "ensure_weight_tying",
        "monteclora_config",
    ]
)
NOTHING = (None, False, "none", "", [], {})


def write_adapter(adapter: Adapter, folder: Path, base: str) -> None:
    """Write a folder that peft loads, and `read_adapter`.

    Args:
        adapter: Additions of one rank and one scale, which is all that peft's files can say.
        folder: Made if it is not there.
        base: Name of the base, for people.

    Raises:
        CheckpointError: If ranks or scales differ.
    """
    ranks = {len(part.down) for part in adapter.values()}
    scales = {part.scale for part in adapter.values()}
    if len(ranks) != 1 or len(scales) != 1:
        raise CheckpointError(f"ranks {sorted(ranks)}, scales {sorted(scales)}: one each")
    rank, scale = ranks.pop(), scales.pop()
    alpha = float(scale * rank)
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": base or None,
        "r": rank,
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "target_modules": sorted(adapter),
        "bias": "none",
        "lora_dropout": 0.0,
        "use_rslora": False,
        "inference_mode": True,
        "task_type": None,
    }
    (folder / CONFIG).write_text(f"{json.dumps(config, indent=2)}\n", encoding="utf-8")
    tensors = {}
    for layer, part in adapter.items():
        tensors[f"{PREFIX}{layer}.lora_A.weight"] = part.down.detach().cpu().contiguous()
        tensors[f"{PREFIX}{layer}.lora_B.weight"] = part.up.detach().cpu().contiguous()
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def read_adapter(folder: Path, layers: Mapping[str, tuple[int, int]]) -> dict[str, LowRank]:
    """Read an adapter and hold it against the base it is for.

    Args:
        folder: Holds peft's two files.
        layers: Outputs and inputs of each linear layer of the base.

    Raises:
        CheckpointError: In one line, naming the file and the key.
    """
    rank, scale, targets = _read_config(folder / CONFIG, layers)
    if targets is None:
        targets = _stored_layers(folder / WEIGHTS, layers)
    expected = {}
    for layer in targets:
        outputs, inputs = layers[layer]
        expected[f"{PREFIX}{layer}.lora_A.weight"] = (rank, inputs)
        expected[f"{PREFIX}{layer}.lora_B.weight"] = (outputs, rank)
    tensors = _read_tensors(folder / WEIGHTS, expected)
    return {
        layer: LowRank(
            tensors[f"{PREFIX}{layer}.lora_A.weight"],
            tensors[f"{PREFIX}{layer}.lora_B.weight"],
            scale,
        )
        for layer in targets
    }


def _read_config(
    path: Path, layers: Mapping[str, tuple[int, int]]
) -> tuple[int, float, list[str] | None]:
    config = read_json(path)
    if config.get("peft_type") != "LORA":
        raise CheckpointError(f"{path}: peft_type is {config.get('peft_type')!r}, not 'LORA'")
    for key, value in config.items():
        if key not in HANDLED and key not in INERT and value not in NOTHING:
            raise CheckpointError(
                f"{path}: {key} = {value!r} is not supported; only plain LoRA is"
            )
    initial = config.get("init_lora_weights")
    if initial not in KEEPS_BASE:
        raise CheckpointError(
            f"{path}: init_lora_weights = {initial!r} changed the base it was trained on, so the "
            "adapter alone is another policy. peft converts PiSSA, OLoRA, CorDA and LoRA-GA: "
            "model.save_pretrained(OUT, path_initial_model_for_weight_conversion=INITIAL), where "
            "INITIAL is the adapter as saved before training"
        )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if type(rank) is not int or not 1 <= rank <= MAX_RANK:
        raise CheckpointError(f"{path}: rank r = {rank!r} must be a number in [1, {MAX_RANK}]")
    if (
        isinstance(alpha, bool)
        or not isinstance(alpha, int | float)
        or not abs(alpha) <= MAX_ALPHA
    ):
        raise CheckpointError(
            f"{path}: lora_alpha = {alpha!r} must be a number in [-{MAX_ALPHA:g}, {MAX_ALPHA:g}]"
        )
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    targets = config.get("target_modules")
    if isinstance(targets, str) and targets != ALL:
        return rank, scale, None
    return rank, scale, _resolve(targets, layers, path)


def _stored_layers(path: Path, layers: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the layers of which an adapter has weights.

    LeRobot names SmolVLA's by a pattern. A pattern of somebody else's can be made to take for
    ever, and says nothing that the names of the weights do not.
    """
    check_file(path, MAX_PATTERN_BYTES)
    found = {key.removeprefix(PREFIX).rpartition(".lora_")[0] for key in read_shapes(path)}
    for name in sorted(found - layers.keys()):
        raise CheckpointError(
            f"{path}: the base has no linear layer '{name}' that a skill can add to"
        )
    return sorted(found)


def _resolve(targets: Any, layers: Mapping[str, tuple[int, int]], path: Path) -> list[str]:
    """Return the layers that peft would attach to, given whole names or their ends."""
    if targets == ALL:
        return sorted(layers)
    if not isinstance(targets, list) or not all(isinstance(name, str) for name in targets):
        raise CheckpointError(f"{path}: target_modules must be a list of names, got {targets!r}")
    found = set()
    for target in targets:
        hits = [key for key in layers if key == target or key.endswith(f".{target}")]
        if not hits:
            inside = " (torch reads it past the layer)" if target.endswith("out_proj") else ""
            raise CheckpointError(
                f"{path}: the base has no linear layer '{target}' that a skill can add to{inside}"
            )
        found.update(hits)
    return sorted(found)


def _read_tensors(path: Path, expected: Mapping[str, tuple[int, int]]) -> dict[str, torch.Tensor]:
    numbers = sum(rows * columns for rows, columns in expected.values())
    check_file(path, 8 * numbers + HEADER_BYTES)
    _check_keys(path, read_shapes(path), expected)
    tensors = read_tensors(path)
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise CheckpointError(f"{path}: '{name}' holds {tensor.dtype}, not floating point")
        wrong = int((~torch.isfinite(tensor)).sum())
        if wrong:
            raise CheckpointError(f"{path}: '{name}' has {wrong} NaN or infinite values")
    return tensors


def _check_keys(
    path: Path, stored: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, int]]
) -> None:
    for what, names in (
        ("lacks", sorted(expected.keys() - stored.keys())),
        ("has unexpected", sorted(stored.keys() - expected.keys())),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise CheckpointError(f"{path} {what} '{names[0]}'{more}")
    for name, shape in expected.items():
        if stored[name] != shape:
            raise CheckpointError(
                f"{path}: '{name}' has shape {stored[name]}, rank and base ask for {shape}"
            )
