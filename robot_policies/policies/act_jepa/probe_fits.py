"""Two ways to read the states to come out of a frozen encoder, judged on episodes held out.

A decoder with queries as the authors train it, and a ridge regression, which is exact where a few
hundred steps may not be.

Letters: `F` frames, `N` context tokens, `C` width, `T` chunk, `S` state.
"""

import math
from dataclasses import dataclass

import torch
from lerobot.optim.schedulers import CosineAnnealingWithWarmupSchedulerConfig
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from robot_policies.interface import ConfigError
from robot_policies.policies.act_jepa.blocks import QueryDecoder
from robot_policies.policies.act_jepa.configuration_act_jepa import ActJepaConfig
from robot_policies.policies.act_jepa.probe_data import FRAMES, Encoded


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
