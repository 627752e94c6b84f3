"""The skills that act in a policy now.

A layer that a skill adds to answers otherwise for as long as the skill has a weight, see
`patched_layers.py`. A policy without skills, or with weights that are all zero, computes the very
bits of before.

Letters: `B` batch, `k` skills.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from robot_policies.interface import ContractError
from robot_policies.skills.mixing.layers import MixingLayer, SkillStack, WeightedLora
from robot_policies.skills.mixing.patched_layers import Forward, PatchedLayers


class LayerRouter(Protocol):
    """Chooses weights layer by layer, from what the layer sees."""

    def weights(self, layer: str, inputs: Tensor) -> Tensor:
        """Return the weights of every skill. (..., in) -> (..., k)."""
        ...


class SkillMixer:
    """The skills that act in a policy now.

    Not for two threads: swap and weigh between two control steps, build stacks anywhere.

    Attributes:
        policy: The policy; untouched.
        stack: The skills in place.
        layer_router: Chooses weights layer by layer, if there is one; else `weigh` does for all.
    """

    def __init__(self, policy: nn.Module) -> None:
        """Begin without a skill."""
        self.policy = policy
        self.stack = SkillStack(policy, {})
        self.layer_router: LayerRouter | None = None
        self.weights: Tensor | None = None
        self._layers = PatchedLayers(policy, {}).__enter__()

    @property
    def names(self) -> tuple[str, ...]:
        """Skills in place, in the order of the weights."""
        return self.stack.names

    def swap(
        self,
        stack: SkillStack,
        weights: Tensor | None = None,
        layer_router: LayerRouter | None = None,
    ) -> None:
        """Put other skills in place of all that are there.

        Args:
            stack: The skills.
            weights: Their weights, see `weigh`; without any, they do not act yet.
            layer_router: Chooses the weights instead.

        Raises:
            ContractError: If the weights do not fit; what was in place stays.
        """
        _check_weights(weights, stack.names)
        layers = PatchedLayers(self.policy, stack.linears)
        layers.check_free(self._layers)
        self._layers.__exit__()
        self._layers = layers.__enter__()
        self.stack, self.layer_router = stack, layer_router
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
        _check_weights(weights, self.names)
        self.weights = weights
        if self.layer_router is not None:
            self._layers.put(self._routed(self.layer_router))
        elif weights is None or not (weights.requires_grad or weights.any()):
            self._layers.put({})
        else:
            self._layers.put(self._weighted(weights))

    def _routed(self, router: LayerRouter) -> dict[str, Forward]:
        return {
            name: _ask(router, name, layer, self.stack.linears[name])
            for name, layer in self.stack.items()
        }

    def _weighted(self, weights: Tensor) -> dict[str, Forward]:
        if len(weights) == 1 and weights.ndim == 2:
            weights = weights[0]  # one observation: whatever axis a layer keeps its batch on
        trained = weights.requires_grad or any(p.requires_grad for p in self.stack.parameters())
        same = weights.ndim == 1 and not trained
        active = [weight != 0.0 for weight in weights.tolist()] if same else []
        factors: dict[tuple, Tensor] = {}  # layers of the same skills need them once
        forwards = {}
        for name, layer in self.stack.items():
            if layer.layout not in factors:
                factors[layer.layout] = layer.coefficients(weights)
            of_ranks = factors[layer.layout]
            every = WeightedLora(layer.down, layer.up, of_ranks)
            weighted = layer.only(of_ranks, active) if same else every
            if weighted is not None:
                forwards[name] = weighted.beside(self.stack.linears[name])
        return forwards


def _ask(router: LayerRouter, name: str, layer: MixingLayer, linear: nn.Linear) -> Forward:
    def forward(inputs: Tensor) -> Tensor:
        return layer.weigh(router.weights(name, inputs)).beside(linear)(inputs)

    return forward


def _check_weights(weights: Tensor | None, names: tuple[str, ...]) -> None:
    if weights is None:
        return
    if weights.shape[-1:] != (len(names),) or weights.ndim not in (1, 2):
        raise ContractError(
            f"weights of shape {tuple(weights.shape)} for {len(names)} skills {list(names)}"
        )
    if not torch.isfinite(weights).all():
        raise ContractError(f"skill weights are not finite: {weights.tolist()}")
