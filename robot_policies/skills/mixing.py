"""Composition in parameter space: one stacked layer beside each linear layer of a policy.

    W(s) = W_0 + sum_i alpha_i(s) scale_i B_i A_i          (PSEC, arXiv 2502.05932)

All skills of a layer are stacked: `down` (R, in) holds every A_i, `up` (out, R) every B_i, so that
k skills cost two thin products more than none. The layers hang beside the policy as forward
hooks: its modules, its parameters and its state dictionary are never touched, and a policy
without skills, or with weights that are all zero, computes what it computed before, bit for bit.

Letters: `B` batch, `k` skills, `R` ranks of all skills together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from robot_policies.interface import ConfigError, ContractError
from robot_policies.interface.errors import suggestion


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


class Router(Protocol):
    """Chooses weights layer by layer, from what the layer sees."""

    def weights(self, layer: str, inputs: Tensor) -> Tensor:
        """Return the weights of every skill. (..., in) -> (..., k)."""
        ...


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
        up: Every B. Shape (out, R).
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
        up = torch.cat([part.up for _, part in parts], dim=1).to(like)
        self.down = nn.Parameter(down, requires_grad=False)
        self.up = nn.Parameter(up, requires_grad=False)
        ranks = torch.tensor([len(part.down) for _, part in parts])
        owner = torch.tensor([skill for skill, _ in parts])
        scale = torch.tensor([part.scale for _, part in parts])
        self.register_buffer("owner", owner.repeat_interleave(ranks).to(like.device))
        self.register_buffer("scale", scale.repeat_interleave(ranks).to(like))
        self.layout = tuple(zip(owner.tolist(), ranks.tolist(), scale.tolist(), strict=True))

    def weigh(self, weights: Tensor) -> "Weighed":
        """Return the additions with their factors. (k,) or (..., k) weights."""
        return Weighed(self.down, self.up, self.coefficients(weights))

    def coefficients(self, weights: Tensor) -> Tensor:
        """Return the factor of every rank. (..., k) -> (..., R)."""
        return weights.to(self.scale)[..., self.owner] * self.scale


@dataclass(frozen=True, eq=False)
class Weighed:
    """The additions to one linear layer, each rank with its factor.

    Attributes:
        down: Shape (R, in).
        up: Shape (out, R).
        coefficients: Shape (R,), (B, R), or that of the inputs with R last.
    """

    down: Tensor
    up: Tensor
    coefficients: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return what is added. (B, ..., in) -> (B, ..., out)."""
        inner = functional.linear(inputs, self.down)
        factors = self.coefficients
        if factors.ndim == 2 and inner.ndim != 2:
            if len(factors) != len(inner):
                raise ContractError(
                    f"weights of {len(factors)} observations for a layer that sees "
                    f"{tuple(inputs.shape)}: the first axis must be the batch"
                )
            factors = factors.reshape(len(factors), *[1] * (inner.ndim - 2), -1)
        return functional.linear(inner * factors, self.up)

    def without_zeros(self) -> "Weighed | None":
        """Return the ranks that count, so that a skill of weight 0 leaves not even rounding."""
        kept = self.coefficients != 0.0
        if kept.all():
            return self
        if not kept.any():
            return None
        return Weighed(self.down[kept], self.up[:, kept], self.coefficients[kept])


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
                    layer.up.detach()[:, mine].clone(),
                    float(layer.scale[mine][0]),
                )
        return adapter


class SkillMixer:
    """The skills that act in a policy now.

    Not for two threads: swap and weigh between two control steps, build stacks anywhere.

    Attributes:
        policy: The policy; untouched.
        stack: The skills in place.
        router: Chooses weights layer by layer, if there is one; else `weigh` does for all layers.
    """

    def __init__(self, policy: nn.Module) -> None:
        """Begin without a skill."""
        self.policy = policy
        self.stack = SkillStack(policy, {})
        self.router: Router | None = None
        self.weights: Tensor | None = None
        self._weighed: dict[str, Weighed] = {}
        self._hooks: list[RemovableHandle] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Skills in place, in the order of the weights."""
        return self.stack.names

    def swap(
        self, stack: SkillStack, weights: Tensor | None = None, router: Router | None = None
    ) -> None:
        """Put other skills in place of all that are there.

        Args:
            stack: The skills.
            weights: Their weights, see `weigh`; without any, they do not act yet.
            router: Chooses the weights instead.
        """
        for hook in self._hooks:
            hook.remove()
        self.stack, self.router = stack, router
        self._hooks = [
            stack.linears[name].register_forward_hook(self._hook(name, layer))
            for name, layer in stack.items()
        ]
        self.weigh(weights)

    def clear(self) -> None:
        """Take every skill away."""
        self.swap(SkillStack(self.policy, {}))

    def weigh(self, weights: Tensor | None) -> None:
        """Set how much of each skill acts from now on.

        Args:
            weights: Shape (k,), or (B, k) for a batch of observations; no bound, no sign. `None`
                or all zero is the base alone.

        Raises:
            ContractError: If there are not as many as skills, or one is not finite.
        """
        if weights is not None:
            if weights.shape[-1:] != (len(self.names),) or weights.ndim not in (1, 2):
                raise ContractError(
                    f"weights of shape {tuple(weights.shape)} for {len(self.names)} skills "
                    f"{list(self.names)}"
                )
            if not torch.isfinite(weights).all():
                raise ContractError(f"skill weights are not finite: {weights.tolist()}")
        self.weights, self._weighed = weights, {}
        if weights is None or not (weights.requires_grad or weights.any()):
            return
        if len(weights) == 1 and weights.ndim == 2:
            weights = weights[0]  # one observation: whatever axis a layer keeps its batch on
        drop = weights.ndim == 1 and not weights.requires_grad
        factors: dict[tuple, Tensor] = {}  # layers of the same skills need them once
        for name, layer in self.stack.items():
            if layer.layout not in factors:
                factors[layer.layout] = layer.coefficients(weights)
            weighed = Weighed(layer.down, layer.up, factors[layer.layout])
            kept = weighed.without_zeros() if drop else weighed
            if kept is not None:
                self._weighed[name] = kept

    def _hook(self, name: str, layer: MixingLayer):  # noqa: ANN202 (torch's hook type)
        def add(linear: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if self.router is not None:
                return output + layer.weigh(self.router.weights(name, inputs[0]))(inputs[0])
            weighed = self._weighed.get(name)
            return None if weighed is None else output + weighed(inputs[0])

        return add


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
