"""Everything a training run needs to go on after a kill, in one safetensors file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from robot_policies.interface import CheckpointError

if TYPE_CHECKING:
    from robot_policies.policies.uni_o4.online.ppo import Trainer


def save_state(trainer: "Trainer", path: Path) -> None:
    """Write all that `load_state` needs; a kill while writing leaves the last state."""
    arrays, chance = trainer.environment.snapshot()
    tensors = {f"policy.{name}": value for name, value in trainer.policy.state_dict().items()}
    for i, moments in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{name}": value for name, value in moments.items()}
    tensors |= {f"environment.{name}": torch.from_numpy(a) for name, a in arrays.items()}
    tensors |= {f"memory.{name}": value for name, value in trainer.body.state().items()}
    tensors |= {"observation": trainer.observation, "chance": torch.get_rng_state()}
    tensors = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    said = {"chance": chance, "progress": json.dumps(asdict(trainer.progress))}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, said)
    partial.replace(path)


def load_state(trainer: "Trainer", path: Path) -> None:
    """Continue where `save_state` was called, bit for bit.

    Raises:
        CheckpointError: If the file is damaged or of another policy or environment.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, "pt") as file:
            said = file.metadata()
            for name in file.keys():  # noqa: SIM118 (no mapping)
                group, _, rest = name.partition(".")
                # A copy: the file's own memory is not aligned, and sums depend on that.
                groups.setdefault(group, {})[rest] = file.get_tensor(name).clone()
        trainer.policy.load_state_dict(groups["policy"])
        trainer.progress = type(trainer.progress)(**json.loads(said["progress"]))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in groups.get("adam", {}).items():
            i, _, moment = name.partition(".")
            moments.setdefault(int(i), {})[moment] = value
        fresh = trainer.optimizer.state_dict()
        trainer.optimizer.load_state_dict({**fresh, "state": moments})
        trainer.set_rate(trainer.progress.lr)
        arrays = {name: value.numpy() for name, value in groups["environment"].items()}
        trainer.environment.restore(arrays, said["chance"])
        trainer.body.restore(groups.get("memory", {}))
        trainer.observation = groups["observation"][""]
        torch.set_rng_state(groups["chance"][""])
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot resume: {error}") from None
