"""The skills that act in a policy now.

A layer that a skill adds to gets another `forward`, on that one object, for as long as the skill
has a weight. Modules, parameters and state dictionary stay what they are, and a policy without
skills, or with weights that are all zero, runs the very code and computes the very bits of before.

Letters: `B` batch, `k` skills.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from robot_policies.interface import ContractError
from robot_policies.skills.mixing.layers import Forward, MixingLayer, SkillStack, Weighed


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
        self._altered: list[nn.Linear] = []
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
        for name, linear in stack.linears.items():
            if "forward" in vars(linear) and linear not in self._altered:
                raise ContractError(f"'{name}' has skills of another mixer; clear that first")
        for hook in self._hooks:
            hook.remove()
        # With a hook, torch calls the layers in it instead of one fused function that would read
        # past them.
        self._hooks = [
            module.register_forward_pre_hook(lambda module, inputs: None)
            for module in self.policy.modules()
            if stack.names and isinstance(module, nn.TransformerEncoderLayer)
        ]
        self._restore()
        self.stack, self.router = stack, router
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
        self._restore()
        self.weights = weights
        if self.router is not None:
            for name, layer in self.stack.items():
                self._alter(name, _routed(self.router, name, layer, self.stack.linears[name]))
            return
        if weights is None or not (weights.requires_grad or weights.any()):
            return
        if len(weights) == 1 and weights.ndim == 2:
            weights = weights[0]  # one observation: whatever axis a layer keeps its batch on
        trained = weights.requires_grad or any(p.requires_grad for p in self.stack.parameters())
        same = weights.ndim == 1 and not trained
        active = [weight != 0.0 for weight in weights.tolist()] if same else []
        factors: dict[tuple, Tensor] = {}  # layers of the same skills need them once
        for name, layer in self.stack.items():
            if layer.layout not in factors:
                factors[layer.layout] = layer.coefficients(weights)
            of_ranks = factors[layer.layout]
            every = Weighed(layer.down, layer.up, of_ranks)
            weighed = layer.only(of_ranks, active) if same else every
            if weighed is not None:
                self._alter(name, weighed.beside(self.stack.linears[name]))

    def _alter(self, name: str, forward: Forward) -> None:
        linear = self.stack.linears[name]
        vars(linear)["forward"] = forward  # a module's own way to set it takes ten times as long
        self._altered.append(linear)

    def _restore(self) -> None:
        for linear in self._altered:
            del vars(linear)["forward"]
        self._altered = []


def _routed(router: Router, name: str, layer: MixingLayer, linear: nn.Linear) -> Forward:
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
