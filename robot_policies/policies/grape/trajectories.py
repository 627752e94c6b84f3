"""What a policy did from an initial state, as preferences need it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robot_policies.interface import ConfigError
from robot_policies.policies.grape.steps import Steps, joined


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One attempt of `T` answers.

    Attributes:
        start: Number of the initial state; attempts that share it can be compared.
        steps: What was seen.
        tokens: What was answered. Shape (T, A).
        log_probability: Of each answer when it was sampled, summed over its tokens. Shape (T,).
        points: Where things were at each answer, by name. Shape (T, 3) each. [m]
        touch: Whether the obstacle was touched from an answer to the next. Shape (T,).
        success: Whether it succeeded.
        metrics: What the task measured.
    """

    start: int
    steps: Steps
    tokens: Tensor
    log_probability: Tensor
    points: Mapping[str, np.ndarray]
    touch: np.ndarray
    success: bool
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        """Refuse parts of different length."""
        lengths = {len(self.steps), len(self.tokens), len(self.log_probability), len(self.touch)}
        lengths |= {len(points) for points in self.points.values()}
        if len(lengths) != 1:
            raise ConfigError(f"trajectory of state {self.start}: lengths {sorted(lengths)}")

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self.tokens)


@dataclass(frozen=True, eq=False)
class Padded:
    """Trajectories side by side.

    Attributes:
        steps: All steps of all trajectories, one after the other.
        tokens: Shape (sum of T, A).
        mask: Which places of (N, T) are steps.
    """

    steps: Steps
    tokens: Tensor
    mask: Tensor

    def place(self, values: Tensor) -> Tensor:
        """Return values of all steps in their places, 0 elsewhere. (sum of T,) -> (N, T)."""
        placed = values.new_zeros(self.mask.shape)
        return placed.masked_scatter(self.mask, values)


def pad(trajectories: Sequence[Trajectory]) -> Padded:
    """Lay trajectories of any length side by side."""
    lengths = torch.tensor([len(trajectory) for trajectory in trajectories])
    return Padded(
        steps=joined([trajectory.steps for trajectory in trajectories]),
        tokens=torch.cat([trajectory.tokens for trajectory in trajectories]),
        mask=torch.arange(int(lengths.max())) < lengths[:, None],
    )
