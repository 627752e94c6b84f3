"""A data set as a frozen encoder sees it: what the probe learns from.

Letters: `F` frames, `N` context tokens, `C` width, `T` chunk, `S` state.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.datasets import LeRobotDataset
from lerobot.policies import make_pre_post_processors
from rich.console import Console
from rich.progress import track
from torch import Tensor

from robot_policies.data.reading import open_dataset
from robot_policies.interface import ConfigError
from robot_policies.interface.observation import STATE
from robot_policies.policies.act_jepa.configuration_act_jepa import ActJepaConfig
from robot_policies.policies.act_jepa.memory import hold_in_memory
from robot_policies.policies.act_jepa.modeling_act_jepa import ActJepaPolicy

FRAMES = 64  # encoded at once


@dataclass(frozen=True)
class Encoded:
    """A data set as a frozen encoder sees it.

    Attributes:
        context: s_x. Shape (F, N, C).
        states: States to come, standardised by the data set's statistics. Shape (F, T, S).
        valid: Where the episode had not ended. Shape (F, T).
        episode: Episode of each frame. Shape (F,).
    """

    context: Tensor
    states: Tensor
    valid: Tensor
    episode: Tensor


def load_encoder(folder: str | Path, *, fresh: bool, seed: int) -> tuple[ActJepaPolicy, Any]:
    """Load a checkpoint and its preprocessor; `fresh` forgets the weights.

    Raises:
        ConfigError: If it is of another policy.
    """
    config = PreTrainedConfig.from_pretrained(folder)
    if not isinstance(config, ActJepaConfig):
        raise ConfigError(f"{folder}: a checkpoint of {config.type}; the probe reads act_jepa")
    config.device = "cpu"
    torch.manual_seed(seed)
    policy = (
        ActJepaPolicy(config) if fresh else ActJepaPolicy.from_pretrained(folder, config=config)
    )
    overrides = {"device_processor": {"device": "cpu"}}
    preprocessor, _ = make_pre_post_processors(
        config, pretrained_path=str(folder), preprocessor_overrides=overrides
    )
    return policy.eval(), preprocessor


def open_futures(repo_id: str, root: str, config: ActJepaConfig) -> LeRobotDataset:
    """Open a data set with the future of the state alone.

    Raises:
        ConfigError: If there is none, or it is of other elements or another rate.
    """
    recorded = open_dataset(Path(root))
    if config.dt:
        recorded.require_rate(1.0 / config.dt)
    for name, elements in config.element_names.items():
        recorded.require_same(name, elements, config.element_units.get(name, []))
    times = [step / recorded.fps for step in range(config.chunk_size)]
    return hold_in_memory(LeRobotDataset(repo_id, root=root, delta_timestamps={STATE: times}))


@torch.no_grad()
def encode(policy: ActJepaPolicy, preprocessor: Any, data: LeRobotDataset, name: str) -> Encoded:
    """Return what an encoder makes of every frame."""
    mean, std = (torch.as_tensor(np.array(statistic(data, key))) for key in ("mean", "std"))
    parts = []
    loader = torch.utils.data.DataLoader(data, batch_size=FRAMES)
    for batch in track(loader, f"encoding ({name})", console=Console(stderr=True)):
        future, ended = batch[STATE], batch[f"{STATE}_is_pad"]
        now = {**batch, STATE: future[:, 0]}
        parts.append(
            (
                policy.context(preprocessor(now)),
                ((future - mean) / (std + 1e-8)).float(),
                ~ended,
                batch["episode_index"].flatten(),
            )
        )
    return Encoded(*(torch.cat(part) for part in zip(*parts, strict=True)))


def statistic(data: LeRobotDataset, name: str) -> Any:
    """Return a statistic of the recorded states. Shape (S,)."""
    return (data.meta.stats or {})[STATE][name]
