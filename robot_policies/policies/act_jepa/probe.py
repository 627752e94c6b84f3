"""What a frozen context encoder knows of the future: the paper's world-model metric (Table 2).

A fresh decoder is trained to read the states to come out of s_x, and judged on episodes it has
not seen. The authors report the smallest training-batch value on overlapping splits; here it is
the last decoder on the held-out episodes. Beside each encoder stands a random one, the floor, and
beside the decoder a ridge regression on s_x, which is exact where a few hundred steps may not be:
a decoder worse than "the state stays as it is" has not been trained for long enough to compare.

    main(["--dataset.root=DIR", "--encoder", "joint=CHECKPOINT", "--encoder", "act=CHECKPOINT"])

Letters: `F` frames, `N` context tokens, `C` width, `T` chunk, `S` state.
"""

import json
import math
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.datasets import LeRobotDataset
from lerobot.optim.schedulers import CosineAnnealingWithWarmupSchedulerConfig
from lerobot.policies import make_pre_post_processors
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from robot_policies.data.reading import open_dataset
from robot_policies.interface import ConfigError
from robot_policies.interface.observation import STATE
from robot_policies.policies.act_jepa.blocks import QueryDecoder
from robot_policies.policies.act_jepa.configuration_act_jepa import ActJepaConfig
from robot_policies.policies.act_jepa.memory import hold_in_memory
from robot_policies.policies.act_jepa.modeling_act_jepa import ActJepaPolicy

RANDOM = "random"
FRAMES = 64  # encoded at once


@dataclass(frozen=True)
class ProbeConfig:
    """Numbers of the probe [C models/state_predictor.py, configs/*/state_predictor.yaml]."""

    steps: int = 250
    batch_size: int = 512
    lr: float = 6e-4
    warmup_fraction: float = 0.08
    layers: int = 4
    dropout: float = 0.1
    weight_decay: float = 0.1
    ridge: float = 1e-3  # penalty per frame, of weights on latents of deviation 1 [own]
    held_out: float = 0.2  # share of the episodes, the last ones [own]
    seed: int = 0


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


def main(argv: Sequence[str]) -> None:
    """Probe the encoders the arguments name, and print a table.

    Raises:
        ConfigError: If an argument or the data set does not fit.
    """
    options = _parse(argv)
    named = dict(entry.partition("=")[::2] for entry in options.encoder)
    for name, folder in named.items():
        if not name or not (Path(folder) / "config.json").is_file():
            raise ConfigError(f"--encoder={name}={folder}: expected NAME=CHECKPOINT, a folder")
    config = ProbeConfig(
        steps=options.steps,
        batch_size=options.batch_size,
        held_out=options.held_out,
        seed=options.seed,
    )
    results = {}
    first = next(iter(named.values()))
    for name, folder in [*named.items(), (RANDOM, first)]:
        policy, preprocessor = load_encoder(folder, fresh=name == RANDOM, seed=config.seed)
        data = open_futures(options.repo_id, options.root, policy.config)
        encoded = encode(policy, preprocessor, data, name)
        scale = torch.as_tensor(np.array(_statistic(data, "std")), dtype=torch.float32)
        results[name] = probe(encoded, scale, policy.config, config)
        linear = regress(encoded, scale, config)
        results[name] |= {f"linear_{key}": value for key, value in linear.items()}
    apart = held_out(encoded, config)
    now = encoded.states[apart, :1].expand_as(encoded.states[apart])
    stays = errors(now, encoded, apart, scale)
    _show({**results, "stays": stays})
    if options.json:
        report = {"probe": asdict(config), "encoders": results, "stays": stays}
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


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
    mean, std = (torch.as_tensor(np.array(_statistic(data, key))) for key in ("mean", "std"))
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


def probe(
    encoded: Encoded, scale: Tensor, config: ActJepaConfig, numbers: ProbeConfig
) -> dict[str, float]:
    """Train a decoder on all but the last episodes, and return its errors on those.

    Args:
        encoded: The frames.
        scale: Recorded units per standardised one. Shape (S,).
        config: Of the encoder.
        numbers: Of the probe.

    Returns:
        `rmse` over elements and `ate`, the mean length of the error vector, in recorded units.

    Raises:
        ConfigError: As `held_out`.
    """
    apart = held_out(encoded, numbers)
    torch.manual_seed(numbers.seed)
    decoder = nn.Sequential(
        QueryDecoder(
            config.chunk_size,
            config.dim_model,
            config.n_heads,
            config.dim_feedforward,
            numbers.layers,
            numbers.dropout,
            causal=True,
        ),
        nn.Linear(config.dim_model, encoded.states.shape[-1]),
    )
    optimizer = torch.optim.AdamW(
        decoder.parameters(), lr=numbers.lr, weight_decay=numbers.weight_decay
    )
    warmup = round(numbers.warmup_fraction * numbers.steps)
    schedule = CosineAnnealingWithWarmupSchedulerConfig(warmup).build(optimizer, numbers.steps)
    pool = torch.nonzero(~apart).flatten()
    for _ in track(range(numbers.steps), "probing", console=Console(stderr=True)):
        pick = pool[torch.randint(len(pool), (min(numbers.batch_size, len(pool)),))]
        error = decoder(encoded.context[pick]) - encoded.states[pick]  # (B, T, S)
        loss = error[encoded.valid[pick]].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    decoder.eval()
    with torch.no_grad():
        answer = torch.cat([decoder(part) for part in encoded.context[apart].split(FRAMES)])
    return errors(answer, encoded, apart, scale)


def regress(encoded: Encoded, scale: Tensor, numbers: ProbeConfig) -> dict[str, float]:
    """Fit the states to come by ridge regression on s_x instead; as `probe` otherwise."""
    apart = held_out(encoded, numbers)
    flat = encoded.context.flatten(1).double()  # (F, N C)
    flat = torch.cat([flat, torch.ones_like(flat[:, :1])], 1)
    answer = torch.empty_like(encoded.states[apart])
    for step in range(answer.shape[1]):
        known = ~apart & encoded.valid[:, step]
        inputs, outputs = flat[known], encoded.states[known, step].double()
        penalty = numbers.ridge * len(inputs) * torch.eye(inputs.shape[1], dtype=inputs.dtype)
        weights = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ outputs)
        answer[:, step] = (flat[apart] @ weights).float()
    return errors(answer, encoded, apart, scale)


def held_out(encoded: Encoded, numbers: ProbeConfig) -> Tensor:
    """Return which frames are of the last episodes. Shape (F,).

    Raises:
        ConfigError: If the split leaves one side empty.
    """
    episodes = encoded.episode.unique()
    held = math.ceil(numbers.held_out * len(episodes))
    if not 0 < held < len(episodes):
        raise ConfigError(
            f"held_out={numbers.held_out} of {len(episodes)} episodes leaves one side empty"
        )
    return torch.isin(encoded.episode, episodes[-held:])


def errors(answer: Tensor, encoded: Encoded, apart: Tensor, scale: Tensor) -> dict[str, float]:
    """Return `rmse` and `ate` of an answer for the frames held out. Shape (H, T, S)."""
    error = ((answer - encoded.states[apart]) * scale)[encoded.valid[apart]]  # (valid steps, S)
    return {"rmse": error.square().mean().sqrt().item(), "ate": error.norm(dim=-1).mean().item()}


def _statistic(data: LeRobotDataset, name: str) -> Any:
    return (data.meta.stats or {})[STATE][name]


def _parse(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="robot-policies train act_jepa --stage=probe")
    parser.add_argument("--dataset.root", dest="root", required=True)
    parser.add_argument("--dataset.repo_id", dest="repo_id", default="local/probe")
    parser.add_argument("--encoder", action="append", required=True, metavar="NAME=CHECKPOINT")
    parser.add_argument("--steps", type=int, default=ProbeConfig.steps)
    parser.add_argument("--batch_size", type=int, default=ProbeConfig.batch_size)
    parser.add_argument("--held_out", type=float, default=ProbeConfig.held_out)
    parser.add_argument("--seed", type=int, default=ProbeConfig.seed)
    parser.add_argument("--json", metavar="PATH")
    return parser.parse_args(list(argv))


def _show(results: dict[str, dict[str, float]]) -> None:
    keys = ("rmse", "ate", "linear_rmse", "linear_ate")
    table = Table("encoder", *keys, "rmse / random", title="future state, held out")
    for name, found in results.items():
        share = found["rmse"] / results[RANDOM]["rmse"]
        cells = (f"{found[key]:.4f}" if key in found else "" for key in keys)
        table.add_row(name, *cells, f"{share:.2f}")
    Console().print(table)
