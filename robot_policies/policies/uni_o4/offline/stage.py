"""What a phase of offline training is: equal steps over networks that are made before the first.

A phase makes what only it needs when it begins, and can be interrupted after any step.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robot_policies.policies.uni_o4.data.transitions import Transitions
from robot_policies.policies.uni_o4.offline.critics import Critics
from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.offline.transition_model import TransitionModel
from robot_policies.policies.uni_o4.spaces import Space


@dataclass(eq=False)
class Networks:
    """All that is learned, and from what.

    Attributes:
        policies: The ensemble; Gaussian actors.
        critics: Q and V.
        model: One-step models.
        space: The task.
        logged: What is learned from.
        data: The same as tensors.
        settings: Numbers.
    """

    policies: nn.ModuleList
    critics: Critics
    model: TransitionModel
    space: Space
    logged: Transitions
    data: Mapping[str, Tensor]
    settings: OfflineSettings

    def rows(self) -> Tensor:
        """Draw rows."""
        return torch.randint(len(self.data["reward"]), (self.settings.batch,))

    def batch(self, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return rows, drawn ones by default."""
        rows = self.rows() if rows is None else rows
        return {name: tensor[rows] for name, tensor in self.data.items()}


class Stage(ABC):
    """One phase.

    Attributes:
        name: For the log and the state.
        total: Steps at most.
        done: Steps taken.
        finished: Whether it is over before `total`.
        extra: Networks of its own that a resumed run needs.
        numbers: Tensors likewise.
        optimizers: Likewise.
    """

    name: str
    total: int

    def __init__(self, networks: Networks) -> None:
        """Prepare; draws nothing at random."""
        self.networks, self.settings = networks, networks.settings
        self.done, self.finished = 0, False
        self.extra = nn.ModuleDict()
        self.numbers: dict[str, Tensor] = {}
        self.optimizers: list[torch.optim.Optimizer] = []

    @abstractmethod
    def step(self) -> dict[str, float]:
        """Learn a little and return what to log."""

    def finish(self) -> None:  # noqa: B027 (most phases leave them as they are)
        """Leave the networks as the next phase needs them."""

    @property
    def policies(self) -> nn.ModuleList:
        """What would be handed on now."""
        return self.networks.policies


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    """Take one step and return the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())
