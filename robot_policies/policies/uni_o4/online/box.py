"""Uni-O4 on an ordinary control task: a vector seen, a vector in [-1, 1] done.

The same trainer and the same phases as on the quadruped, without its memory and its limits.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from robot_policies.learning.networks import mlp
from robot_policies.learning.run_state import write_state
from robot_policies.policies.uni_o4.online.body import Features
from robot_policies.policies.uni_o4.standardizer import Standardizer
from robot_policies.policies.weights import load_weights

OBSERVATION = "observation"
FINISH_SCALE = 100_000  # observations after which their statistics hardly move any more


class BoxPolicy(nn.Module):
    """A Gaussian policy, its value, and the scale of what both see.

    Attributes:
        actor: Mean action in (-1, 1). (B, W) -> (B, A)
        value: (B, W) -> (B, 1).
        log_std: Noise of the action. Shape (A,).
        scale: From the task's units to those that actor and value see.
    """

    def __init__(self, width: int, action_width: int, hidden: tuple[int, ...], std: float) -> None:
        """Make the nets.

        Args:
            width: Numbers in an observation.
            action_width: Numbers in an action.
            hidden: Widths of the hidden layers of both nets.
            std: Of the action at first.
        """
        super().__init__()
        self.actor = nn.Sequential(mlp(width, hidden, action_width), nn.Tanh())
        self.value = mlp(width, hidden, 1)
        self.log_std = nn.Parameter(torch.full((action_width,), float(np.log(std))))
        self.scale = Scale(width)
        with torch.no_grad():  # start near action 0
            self.actor[0][-1].weight.mul_(0.1)  # pyright: ignore


class Scale(Standardizer):
    """A `Standardizer` that may also follow what it sees (Welford 1962)."""

    count: Tensor

    def __init__(self, width: int) -> None:
        """Start as the identity, having seen nothing."""
        super().__init__(width)
        self.register_buffer("count", torch.zeros(()))

    @torch.no_grad()
    def follow(self, values: Tensor) -> None:
        """Take in more values. Shape (N, width)."""
        if float(self.count) >= FINISH_SCALE:
            return
        before, new = self.count, len(values)
        total = before + new
        shift = values.mean(0) - self.mean
        square = torch.where(before > 0, self.std.square() * before, 0.0)
        square = square + values.var(0, correction=0) * new
        square = square + shift.square() * before * new / total
        self.mean.add_(shift * new / total)
        self.std.copy_((square / total).sqrt().clamp(min=self.least))
        self.count.copy_(total)


class BoxBody:
    """Standardised observations, clipped actions; nothing is remembered."""

    def __init__(self, policy: BoxPolicy, *, follow: bool) -> None:
        """Use the policy's scale.

        Args:
            policy: What is trained.
            follow: Let the scale follow what is seen; a policy from logs keeps theirs.
        """
        self._scale, self._follow = policy.scale, follow

    def observe(self, features: Features) -> Tensor:
        """See `Body`."""
        values = torch.from_numpy(features[OBSERVATION])
        if self._follow:
            self._scale.follow(values)
        return self._scale(values)

    def peek(self, features: Features) -> Tensor:
        """See `Body`."""
        return self._scale(torch.from_numpy(features[OBSERVATION]))

    def execute(self, action: Tensor) -> Tensor:
        """See `Body`."""
        return action.clamp(-1.0, 1.0)

    def command(self, executed: Tensor) -> np.ndarray:
        """See `Body`."""
        return executed.numpy()

    def forget(self, done: Tensor | None = None) -> None:
        """See `Body`."""

    def state(self) -> dict[str, Tensor]:
        """See `Body`."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See `Body`."""


def save_box(policy: BoxPolicy, path: Path) -> None:
    """Write the weights; a kill while writing leaves the last ones."""
    write_state(path, policy.state_dict(), {})


def load_box(policy: BoxPolicy, path: Path) -> BoxPolicy:
    """Read weights into a policy of the same widths and return it."""
    load_weights(policy, path)
    return policy
