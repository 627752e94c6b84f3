"""Everything an offline run needs to go on after a kill, in one safetensors file."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from robot_policies.interface import CheckpointError
from robot_policies.policies.uni_o4.offline.improvement import Check
from robot_policies.policies.uni_o4.offline.run import OfflineRun
from robot_policies.policies.uni_o4.offline.stages import Improvement


def save_offline_state(run: OfflineRun, path: Path) -> None:
    """Write all that `load_offline_state` needs; a kill while writing leaves the last state."""
    stage = run.stage
    tensors = {
        f"{group}.{name}": value
        for group, module in _modules(run).items()
        for name, value in module.state_dict().items()
    }
    for i, optimizer in enumerate(stage.optimizers):
        for j, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{j}.{name}": value for name, value in moments.items()}
    tensors |= {f"number.{name}": value for name, value in stage.numbers.items()}
    tensors["chance"] = torch.get_rng_state()
    progress = {"index": run.index, "done": stage.done, "finished": stage.finished}
    checks = stage.improver.checks if isinstance(stage, Improvement) else []
    said = {
        "identity": json.dumps(run.identity()),
        "progress": json.dumps(progress),
        "result": json.dumps(run.result),
        "checks": json.dumps([vars(check) for check in checks]),
    }
    tensors = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, said)
    partial.replace(path)


def load_offline_state(run: OfflineRun, path: Path) -> None:
    """Continue where `save_offline_state` was called, bit for bit.

    Raises:
        CheckpointError: If the file is damaged, or of other data, numbers or another seed.
    """
    try:
        with safe_open(path, "pt") as file:
            said = {name: json.loads(text) for name, text in file.metadata().items()}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        _check_identity(run, said["identity"], path)
        for group in ("policies", "critics", "model"):
            _load(_modules(run)[group], tensors, group)
        progress = said["progress"]
        run.result = said["result"]
        run.begin(progress["index"])
        stage = run.stage
        stage.done, stage.finished = progress["done"], progress["finished"]
        for group, module in _modules(run).items():
            _load(module, tensors, group)
        for i, optimizer in enumerate(stage.optimizers):
            optimizer.load_state_dict(
                {**optimizer.state_dict(), "state": _moments(tensors, f"adam.{i}.")}
            )
        stage.numbers = {name: tensors[f"number.{name}"] for name in stage.numbers}
        if isinstance(stage, Improvement):
            stage.improver.checks = [
                Check(c["step"], tuple(c["gain"]), tuple(c["accepted"])) for c in said["checks"]
            ]
        torch.set_rng_state(tensors["chance"])
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot resume: {error}") from None


def _modules(run: OfflineRun) -> dict[str, nn.Module]:
    networks = run.networks
    return {
        "policies": networks.policies,
        "critics": networks.critics,
        "model": networks.model,
        "extra": run.stage.extra,
    }


def _load(module: nn.Module, tensors: dict[str, Tensor], group: str) -> None:
    start = f"{group}."
    module.load_state_dict(
        {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
    )


def _moments(tensors: dict[str, Tensor], start: str) -> dict[int, dict[str, Tensor]]:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(start):
            number, _, moment = name.removeprefix(start).partition(".")
            moments.setdefault(int(number), {})[moment] = tensor
    return moments


def _check_identity(run: OfflineRun, said: dict, path: Path) -> None:
    own = run.identity()
    for name in ("data", "seed"):
        if said[name] != own[name]:
            raise CheckpointError(
                f"{path}: was begun with {name} {said[name]}, not {own[name]}; "
                f"use another --out for other {name}"
            )
    changed = [
        name for name, value in own["settings"].items() if said["settings"].get(name) != value
    ]
    if changed:
        raise CheckpointError(f"{path}: was begun with another {', '.join(changed)}")
