"""Linear layers that answer otherwise for a while.

A layer gets another `forward`, on that one object. Modules, parameters and state dictionary stay
what they are, and a layer without one runs the very code and computes the very bits of before.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from robot_policies.interface import ContractError

Forward = Callable[[Tensor], Tensor]


class PatchedLayers(AbstractContextManager["PatchedLayers"]):
    """Linear layers of a policy whose `forward` may be replaced while the context lasts.

        outside           linear(x) --> nn.Linear.forward(linear, x)    = W_0 x + b

        within            linear(x) --> vars(linear)["forward"](x)      = W_0 x + b + sum_i ...
                                          ^ `put` sets it, the next `put` or the end deletes it

        a torch encoder   fused(W_0, ...)   reads the weights and never calls the layers
        within            hook --> linear(x)   a hook makes torch call them one by one

    Python looks up an object's own attributes first, so deleting the one that was set is all that
    is needed to go back.
    """

    def __init__(self, policy: nn.Module, layers: Mapping[str, nn.Linear]) -> None:
        """Name the layers; nothing is changed before the context begins.

        Args:
            policy: What the layers belong to.
            layers: Those that may be replaced, by name; with none, nothing is ever changed.
        """
        self._policy, self._layers = policy, layers
        self._patched: list[nn.Linear] = []
        self._hooks: list[RemovableHandle] = []

    def check_free(self, before: "PatchedLayers") -> None:
        """Refuse layers that somebody else has replaced.

        Args:
            before: What ends before this begins.

        Raises:
            ContractError: If one has a `forward` that is not by `before`.
        """
        for name, linear in self._layers.items():
            if "forward" in vars(linear) and linear not in before._patched:
                raise ContractError(f"'{name}' has skills of another mixer; clear that first")

    def __enter__(self) -> "PatchedLayers":
        """Have torch call the layers of its encoders one by one."""
        self._hooks = [
            module.register_forward_pre_hook(lambda module, inputs: None)
            for module in self._policy.modules()
            if self._layers and isinstance(module, nn.TransformerEncoderLayer)
        ]
        return self

    def put(self, forwards: Mapping[str, Forward]) -> None:
        """Replace the `forward` of some layers; all others have their own again."""
        self._restore()
        for name, forward in forwards.items():
            linear = self._layers[name]
            # A module's own way to set an attribute takes ten times as long.
            vars(linear)["forward"] = forward
            self._patched.append(linear)

    def __exit__(self, *error: Any) -> None:
        """Give every layer its own `forward` back."""
        self._restore()
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _restore(self) -> None:
        for linear in self._patched:
            del vars(linear)["forward"]
        self._patched = []
