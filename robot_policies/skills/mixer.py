"""The skills that act in a policy now.

The mixing layers hang beside the policy as forward hooks: its modules, its parameters and its
state dictionary are never touched, and a policy without skills, or with weights that are all
zero, computes what it computed before, bit for bit.

Letters: `B` batch, `k` skills.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from robot_policies.interface import ContractError
from robot_policies.skills.mixing import MixingLayer, SkillStack, Weighed


class Router(Protocol):
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

        Raises:
            ContractError: If the weights do not fit; what was in place stays.
        """
        _check_weights(weights, stack.names)
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
        _check_weights(weights, self.names)
        self.weights, self._weighed = weights, {}
        if weights is None or not (weights.requires_grad or weights.any()):
            return
        if len(weights) == 1 and weights.ndim == 2:
            weights = weights[0]  # one observation: whatever axis a layer keeps its batch on
        trained = weights.requires_grad or any(p.requires_grad for p in self.stack.parameters())
        fold = weights.ndim == 1 and not trained
        active = [weight != 0.0 for weight in weights.tolist()] if fold else []
        factors: dict[tuple, Tensor] = {}  # layers of the same skills need them once
        for name, layer in self.stack.items():
            if layer.layout not in factors:
                factors[layer.layout] = layer.coefficients(weights)
            of_ranks = factors[layer.layout]
            plain = Weighed(layer.down, layer.up, of_ranks)
            weighed = layer.fold(of_ranks, active) if fold else plain
            if weighed is not None:
                self._weighed[name] = weighed

    def _hook(self, name: str, layer: MixingLayer):  # noqa: ANN202 (torch's hook type)
        def add(linear: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if self.router is not None:
                weights = self.router.weights(name, inputs[0])
                return layer.weigh(weights).add(inputs[0], output)
            weighed = self._weighed.get(name)
            return None if weighed is None else weighed.add(inputs[0], output)

        return add


def _check_weights(weights: Tensor | None, names: tuple[str, ...]) -> None:
    if weights is None:
        return
    if weights.shape[-1:] != (len(names),) or weights.ndim not in (1, 2):
        raise ContractError(
            f"weights of shape {tuple(weights.shape)} for {len(names)} skills {list(names)}"
        )
    if not torch.isfinite(weights).all():
        raise ContractError(f"skill weights are not finite: {weights.tolist()}")
