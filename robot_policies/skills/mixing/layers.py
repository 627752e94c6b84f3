"""Composition in parameter space: one stacked layer beside each linear layer of a policy.

    W(s) = W_0 + sum_i alpha_i(s) scale_i B_i A_i          (PSEC, arXiv 2502.05932)

All skills of a layer are stacked: `down` (R, in) holds every A_i, `up` (R, out) every B_i, so that
k skills cost two thin products more than none. `mixer.py` puts them in a policy.

Letters: `B` batch, `k` skills, `R` ranks of all skills together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from robot_policies.interface import ConfigError, ContractError
from robot_policies.interface.errors import suggestion
from robot_policies.skills.mixing.patched_layers import Forward


@dataclass(frozen=True, eq=False)
class LowRank:
    """What one skill adds to one linear layer: scale * up @ down.

    Attributes:
        down: A. Shape (r, in).
        up: B. Shape (out, r).
        scale: peft's `lora_alpha / r`.
    """

    down: Tensor
    up: Tensor
    scale: float


Adapter = Mapping[str, LowRank]  # layer name -> addition


def linear_layers(policy: nn.Module) -> dict[str, nn.Linear]:
    """Return the linear layers that skills can attach to, by name.

    The output projection of torch's attention is not among them: torch reads its weight without
    calling the layer, and an addition would be lost without a word.
    """
    hidden = {
        f"{name}.out_proj" if name else "out_proj"
        for name, module in policy.named_modules()
        if isinstance(module, nn.MultiheadAttention)
    }
    return {
        name: module
        for name, module in policy.named_modules()
        if isinstance(module, nn.Linear) and name not in hidden
    }


class MixingLayer(nn.Module):
    """The additions of all skills to one linear layer.

    Attributes:
        down: Every A. Shape (R, in).
        up: Every B, transposed: the product of one row is a third faster. Shape (R, out).
        owner: Skill that each rank belongs to. Shape (R,).
        scale: Of each rank. Shape (R,).
    """

    owner: Tensor
    scale: Tensor

    def __init__(self, parts: Sequence[tuple[int, LowRank]], like: Tensor) -> None:
        """Stack the additions.

        Args:
            parts: Number of the skill, and what it adds.
            like: The linear layer's weight; its dtype and device are taken.
        """
        super().__init__()
        down = torch.cat([part.down for _, part in parts]).to(like)
        up = torch.cat([part.up.T for _, part in parts]).to(like)
        self.down = nn.Parameter(down, requires_grad=False)
        self.up = nn.Parameter(up, requires_grad=False)
        ranks = torch.tensor([len(part.down) for _, part in parts])
        owner = torch.tensor([skill for skill, _ in parts])
        scale = torch.tensor([part.scale for _, part in parts])
        self.register_buffer("owner", owner.repeat_interleave(ranks).to(like.device))
        self.register_buffer("scale", scale.repeat_interleave(ranks).to(like))
        self.layout = tuple(zip(owner.tolist(), ranks.tolist(), scale.tolist(), strict=True))

    def weigh(self, weights: Tensor) -> "WeightedLora":
        """Return the additions with their factors. (k,) or (..., k) weights."""
        return WeightedLora(self.down, self.up, self.coefficients(weights))

    def only(self, factors: Tensor, active: Sequence[bool]) -> "WeightedLora | None":
        """Return the additions of some skills; the others leave not even rounding.

        Args:
            factors: Of every rank. Shape (R,).
            active: Which skills count.

        Returns:
            `None` if no skill that counts adds to this layer.
        """
        mine = [active[owner] for owner, _, _ in self.layout]
        if not any(mine):
            return None
        if all(mine):
            return WeightedLora(self.down, self.up, factors)
        kept = torch.tensor(active, device=self.owner.device)[self.owner]
        return WeightedLora(self.down[kept], self.up[kept], factors[kept])

    def coefficients(self, weights: Tensor) -> Tensor:
        """Return the factor of every rank. (..., k) -> (..., R)."""
        return weights.to(self.scale)[..., self.owner] * self.scale


@dataclass(frozen=True, eq=False)
class WeightedLora:
    """The additions to one linear layer, each rank with its factor.

    Attributes:
        down: Shape (R, in).
        up: Shape (R, out).
        coefficients: Shape (R,), (B, R), or that of the inputs with R last.
    """

    down: Tensor
    up: Tensor
    coefficients: Tensor

    def beside(self, linear: nn.Linear) -> Forward:
        """Return what stands in for a layer's `forward`. (B, ..., in) -> (B, ..., out)."""
        weight, bias = linear.weight, linear.bias
        down, up, factors = self.down, self.up, self.coefficients

        # A robot waits for this, layer by layer: nothing is looked up that is known already.
        def forward(inputs: Tensor) -> Tensor:
            output = functional.linear(inputs, weight, bias)
            inner = functional.linear(inputs, down)
            inner = inner * (_fit(factors, inner) if factors.ndim == 2 else factors)
            return torch.addmm(output, inner, up) if inner.ndim == 2 else output + inner @ up

        return forward


def _fit(factors: Tensor, inner: Tensor) -> Tensor:
    """Give factors of every observation the axes of what they multiply."""
    if inner.ndim == 2:
        return factors
    if len(factors) != len(inner):
        raise ContractError(
            f"weights of {len(factors)} observations for a layer that sees "
            f"{tuple(inner.shape[:-1])} rows: the first axis must be the batch"
        )
    return factors.reshape(len(factors), *[1] * (inner.ndim - 2), -1)


class SkillStack(nn.Module):
    """The mixing layers of a set of skills, made beforehand and swapped in whole."""

    def __init__(self, policy: nn.Module, skills: Mapping[str, Adapter]) -> None:
        """Stack the skills; the policy is only looked at.

        Args:
            policy: What they will be added to.
            skills: Additions of each skill, by the skill's name.

        Raises:
            ConfigError: If a skill adds to a layer that is not there, or of another size.
        """
        super().__init__()
        self.names = tuple(skills)
        known = linear_layers(policy)
        parts: dict[str, list[tuple[int, LowRank]]] = {}
        for number, (skill, adapter) in enumerate(skills.items()):
            for layer, part in adapter.items():
                _check_layer(skill, layer, part, known)
                parts.setdefault(layer, []).append((number, part))
        self.linears = {layer: known[layer] for layer in parts}
        layers = {
            layer: MixingLayer(entries, known[layer].weight) for layer, entries in parts.items()
        }
        self._names = tuple(layers)
        self.layers = nn.ModuleList(layers.values())

    def items(self) -> Iterator[tuple[str, MixingLayer]]:
        """Yield each layer's name and its additions."""
        for name, layer in zip(self._names, self.layers, strict=True):
            assert isinstance(layer, MixingLayer)
            yield name, layer

    def adapter(self, skill: str) -> dict[str, LowRank]:
        """Return a copy of one skill's additions, as they are now."""
        number = self.names.index(skill)
        adapter = {}
        for name, layer in self.items():
            mine = layer.owner == number
            if mine.any():
                adapter[name] = LowRank(
                    layer.down.detach()[mine].clone(),
                    layer.up.detach()[mine].T.contiguous(),
                    float(layer.scale[mine][0]),
                )
        return adapter


def _check_layer(skill: str, layer: str, part: LowRank, known: Mapping[str, nn.Linear]) -> None:
    if layer not in known:
        raise ConfigError(
            f"skill '{skill}': no linear layer '{layer}' to attach to.{suggestion(layer, known)}"
        )
    linear = known[layer]
    rank = len(part.down)
    expected = ((rank, linear.in_features), (linear.out_features, rank))
    if (tuple(part.down.shape), tuple(part.up.shape)) != expected:
        raise ConfigError(
            f"skill '{skill}': '{layer}' has shapes {tuple(part.down.shape)} and "
            f"{tuple(part.up.shape)}, the base needs {expected[0]} and {expected[1]}"
        )
