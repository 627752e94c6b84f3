"""The noise predictors: eps(a_t, s, t).

Letters: `B` batch, `N` numbers in a noisy chunk (T A), `O` observation width, `D` hidden width.
Every linear layer is a plain `nn.Linear` that is called as a module, so that skills attach to it.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from robot_policies.policies.psec.configuration_psec import PsecConfig

ACTIVATION = {"mish": functional.mish, "relu": functional.relu, "silu": functional.silu}


def make_network(config: PsecConfig) -> "LnResNet | Mlp":
    """Return the noise predictor that a configuration names."""
    return {"ln_resnet": LnResNet, "mlp": Mlp}[config.network](config)


class TimeEncoder(nn.Module):
    """The denoising step as learned Fourier features and two layers."""

    def __init__(self, config: PsecConfig) -> None:
        """Draw the frequencies."""
        super().__init__()
        self.frequency = nn.Parameter(config.frequency_std * torch.randn(config.n_frequencies))
        self.first = nn.Linear(2 * config.n_frequencies, config.time_dim)
        self.second = nn.Linear(config.time_dim, config.time_dim)
        self.activation = ACTIVATION[config.activation]

    def forward(self, step: Tensor) -> Tensor:
        """Return the embedding. (...) -> (..., time_dim)."""
        phase = 2.0 * math.pi * step.to(self.frequency.dtype).unsqueeze(-1) * self.frequency
        features = torch.cat([phase.cos(), phase.sin()], dim=-1)
        return self.second(self.activation(self.first(features)))


class LnResNet(nn.Module):
    """Residual blocks with layer norm, after IDQL (Hansen-Estruch et al. 2023, 2304.10573)."""

    def __init__(self, config: PsecConfig) -> None:
        """Make the layers."""
        super().__init__()
        numbers = config.chunk_size * config.action_width
        self.time = TimeEncoder(config)
        self.input = nn.Linear(numbers + config.observation_width + config.time_dim, config.hidden)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_blocks))
        self.output = nn.Linear(config.hidden, numbers)
        self.activation = ACTIVATION[config.activation]

    def forward(self, noisy: Tensor, observation: Tensor, step: Tensor) -> Tensor:
        """Return the predicted noise. (B, N), (B, O), (B,) -> (B, N)."""
        return self.predict(noisy, observation, self.time(step))

    def predict(self, noisy: Tensor, observation: Tensor, time: Tensor) -> Tensor:
        """Return the predicted noise, given the embedded step. (B, time_dim) -> (B, N)."""
        x = self.input(torch.cat([noisy, observation, time], dim=-1))  # (B, D)
        for block in self.blocks:
            x = block(x)
        return self.output(self.activation(x))


class Block(nn.Module):
    """Dropout, layer norm, widen, activate, narrow, add."""

    def __init__(self, config: PsecConfig) -> None:
        """Make the layers."""
        super().__init__()
        self.dropout = config.dropout
        self.norm = nn.LayerNorm(config.hidden, eps=1e-6)  # flax's default
        self.widen = nn.Linear(config.hidden, config.expansion * config.hidden)
        self.narrow = nn.Linear(config.expansion * config.hidden, config.hidden)
        self.activation = ACTIVATION[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        """Return x with the block's part added. (B, D) -> (B, D)."""
        # Functions where there is no weight: of a single row, a module's call is most of the time.
        kept = functional.dropout(x, self.dropout) if self.training else x
        norm = self.norm
        scaled = functional.layer_norm(
            kept, norm.normalized_shape, norm.weight, norm.bias, norm.eps
        )
        return x + self.narrow(self.activation(self.widen(scaled)))


class Mlp(nn.Module):
    """Plain layers of one width: a third of the time of `LnResNet` [own]."""

    def __init__(self, config: PsecConfig) -> None:
        """Make the layers."""
        super().__init__()
        numbers = config.chunk_size * config.action_width
        self.time = TimeEncoder(config)
        width = numbers + config.observation_width + config.time_dim
        widths = [width, *[config.hidden] * config.n_blocks]
        self.layers = nn.ModuleList(
            nn.Linear(before, after) for before, after in zip(widths, widths[1:], strict=False)
        )
        self.output = nn.Linear(config.hidden, numbers)
        self.activation = ACTIVATION[config.activation]

    def forward(self, noisy: Tensor, observation: Tensor, step: Tensor) -> Tensor:
        """Return the predicted noise. (B, N), (B, O), (B,) -> (B, N)."""
        return self.predict(noisy, observation, self.time(step))

    def predict(self, noisy: Tensor, observation: Tensor, time: Tensor) -> Tensor:
        """Return the predicted noise, given the embedded step. (B, time_dim) -> (B, N)."""
        x = torch.cat([noisy, observation, time], dim=-1)
        for layer in self.layers:
            x = self.activation(layer(x))
        return self.output(x)
