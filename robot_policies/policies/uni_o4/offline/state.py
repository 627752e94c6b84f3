"""Everything an offline run needs to go on after a kill, in one safetensors file."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robot_policies.documents import parse_json
from robot_policies.interface import CheckpointError
from robot_policies.learning.run_state import (
    fitting,
    grouped,
    moments_of,
    of_group,
    read_state,
    restore_moments,
    resuming,
    write_state,
)
from robot_policies.policies.uni_o4.offline.improvement import Check
from robot_policies.policies.uni_o4.offline.run import OfflineRun
from robot_policies.policies.uni_o4.offline.stages import Improvement

SHARED = ("policies", "critics", "model")  # what every phase of a run has


def save_offline_state(run: OfflineRun, path: Path) -> None:
    """Write all that `load_offline_state` needs; a kill while writing leaves the last state."""
    stage = run.stage
    tensors = {**grouped("number", stage.numbers), "chance": torch.get_rng_state()}
    for group, module in _modules(run).items():
        tensors |= grouped(group, module.state_dict())
    for i, optimizer in enumerate(stage.optimizers):
        tensors |= grouped(f"adam.{i}", moments_of(optimizer))
    progress = {"index": run.index, "done": stage.done, "finished": stage.finished}
    checks = stage.improver.checks if isinstance(stage, Improvement) else []
    metadata = {
        "identity": json.dumps(run.identity()),
        "progress": json.dumps(progress),
        "result": json.dumps(run.result),
        "checks": json.dumps([vars(check) for check in checks]),
    }
    write_state(path, tensors, metadata)


def load_offline_state(run: OfflineRun, path: Path) -> None:
    """Continue where `save_offline_state` was called, bit for bit.

    Raises:
        CheckpointError: If the file is damaged, or of other data, numbers or another seed.
    """
    with resuming(path):
        tensors, texts = read_state(path)
        metadata = {name: parse_json(text, measured=True) for name, text in texts.items()}
        _check_identity(run, metadata["identity"], path)
        for group in SHARED:
            _modules(run)[group].load_state_dict(of_group(group, tensors))
        progress = metadata["progress"]
        index, done, finished = (progress[key] for key in ("index", "done", "finished"))
        whole = all(type(number) is int and number >= 0 for number in (index, done))
        if not whole or not isinstance(finished, bool) or "chance" not in tensors:
            raise ValueError(f"progress {progress!r:.100} cannot be")
        run.result = dict(metadata["result"])
        run.begin(index)
        stage = run.stage
        stage.done, stage.finished = done, finished
        for group, module in _modules(run).items():
            module.load_state_dict(of_group(group, tensors))
        for i, optimizer in enumerate(stage.optimizers):
            restore_moments(optimizer, of_group(f"adam.{i}", tensors))
        stage.numbers = fitting(of_group("number", tensors), stage.numbers)
        if isinstance(stage, Improvement):
            stage.improver.checks = [
                Check(c["step"], tuple(c["gain"]), tuple(c["accepted"]))
                for c in metadata["checks"]
            ]
        torch.set_rng_state(tensors["chance"])


def _modules(run: OfflineRun) -> dict[str, nn.Module]:
    networks = run.networks
    return {
        "policies": networks.policies,
        "critics": networks.critics,
        "model": networks.model,
        "extra": run.stage.extra,
    }


def _check_identity(run: OfflineRun, saved: dict[str, Any], path: Path) -> None:
    own = run.identity()
    for name in ("data", "seed"):
        if saved[name] != own[name]:
            raise CheckpointError(
                f"{path}: was begun with {name} {saved[name]}, not {own[name]}; "
                f"use another --out for other {name}"
            )
    settings = saved["settings"]
    changed = [name for name, value in own["settings"].items() if settings.get(name) != value]
    if changed:
        raise CheckpointError(f"{path}: was begun with another {', '.join(changed)}")
