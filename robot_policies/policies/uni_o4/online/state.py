"""Everything a training run needs to go on after a kill, in one safetensors file."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from robot_policies.documents import parse_json
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
from robot_policies.policies.uni_o4.online.ppo import Trainer


def save_state(trainer: Trainer, path: Path) -> None:
    """Write all that `load_state` needs; a kill while writing leaves the last state."""
    arrays, chance = trainer.environment.snapshot()
    tensors = {
        **grouped("policy", trainer.policy.state_dict()),
        **grouped("adam", moments_of(trainer.optimizer)),
        **grouped("environment", _tensors(arrays)),
        **grouped("memory", trainer.body.state()),
        "observation": trainer.observation,
        "chance": torch.get_rng_state(),
    }
    progress = json.dumps(asdict(trainer.progress))
    write_state(path, tensors, {"chance": chance, "progress": progress})


def load_state(trainer: Trainer, path: Path) -> None:
    """Continue where `save_state` was called, bit for bit.

    Raises:
        CheckpointError: If the file is damaged or of another policy or environment.
    """
    with resuming(path):
        tensors, metadata = read_state(path)
        progress = type(trainer.progress)(**parse_json(metadata["progress"]))
        trainer.begin(progress.seed)  # gives everything the shape that a state must have
        trainer.policy.load_state_dict(of_group("policy", tensors))
        restore_moments(trainer.optimizer, of_group("adam", tensors))
        trainer.progress = progress
        trainer.set_rate(progress.lr)
        places, _ = trainer.environment.snapshot()
        environment = fitting(of_group("environment", tensors), _tensors(places))
        arrays = {name: value.numpy() for name, value in environment.items()}
        trainer.environment.restore(arrays, metadata["chance"])
        trainer.body.restore(fitting(of_group("memory", tensors), trainer.body.state()))
        now = {"observation": trainer.observation}
        trainer.observation = fitting(tensors, now)["observation"]
        torch.set_rng_state(tensors["chance"])


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
