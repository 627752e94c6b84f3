"""What steps of demonstrations are judged by: their reward, or the harm that follows them.

Reward: implicit Q-learning (Kostrikov et al. 2022, arXiv 2110.06169). Cost: the worst violation
still to come, a Hamilton-Jacobi value (FISOR, Zheng et al. 2024, arXiv 2401.10700).

Letters: `N` steps, `B` batch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from robot_policies.interface import ConfigError
from robot_policies.policies.psec.demonstrations import COST, REWARD, Demonstrations
from robot_policies.policies.psec.losses import reach_target


@dataclass(frozen=True)
class CriticSettings:
    """Numbers of the critics, all from the authors' code unless marked.

    Attributes:
        gamma: Discount per step.
        reward_expectile: Of V, towards the better actions.
        cost_expectile: Of V, towards the safer ones.
        target_rate: Of the moving average that targets are computed with.
        hidden: Width of two layers.
        sharpness: Of exp(sharpness * advantage).
        ceiling: Of the weight.
        return_scale: Rewards are scaled so that returns span this much.
        violation: What a cost above 0 counts.
        safe: What any other counts.
    """

    gamma: float = 0.99
    reward_expectile: float = 0.7
    cost_expectile: float = 0.9
    target_rate: float = 0.005
    hidden: int = 256
    sharpness: float = 1.0
    ceiling: float = 100.0
    return_scale: float = 1000.0
    violation: float = 25.0
    safe: float = -1.0


class Criterion(ABC):
    """What steps are judged by.

    Attributes:
        signal: What each step counts at once. Shape (N,).
        last: Whether a step is the last of its episode. Shape (N,).
        expectile: Of the state value, among the action values in the data.
    """

    signal: Tensor
    expectile: float

    def __init__(self, data: Demonstrations, numbers: CriticSettings) -> None:
        """Read the labels."""
        self.last, self.gamma = data.last, numbers.gamma

    @staticmethod
    @abstractmethod
    def pessimistic(values: Tensor) -> Tensor:
        """Return the worse of two action values. (2, B) -> (B,)."""

    @abstractmethod
    def target(self, rows: Tensor, following: Tensor) -> Tensor:
        """Return what the action values of some steps are drawn to. Shape (B,).

        Args:
            rows: Which steps. Shape (B,).
            following: State value after each. Shape (B,).
        """


class RewardCriterion(Criterion):
    """The discounted sum of rewards; more is better."""

    def __init__(self, data: Demonstrations, numbers: CriticSettings) -> None:
        """Scale the rewards so that returns span `return_scale`.

        Raises:
            ConfigError: If there are no rewards, or no episode is better than another.
        """
        super().__init__(data, numbers)
        self.expectile = numbers.reward_expectile
        if not len(data.reward):
            raise ConfigError(f"objective 'reward' needs '{REWARD}' in the data")
        returns = torch.stack(
            [data.reward[data.episode == number].sum() for number in data.episode.unique()]
        )
        span = float(returns.max() - returns.min())
        if not span > 0.0:
            raise ConfigError(
                f"every episode has the return {float(returns[0]):g}: none is better"
            )
        self.signal = data.reward * numbers.return_scale / span

    @staticmethod
    def pessimistic(values: Tensor) -> Tensor:
        """Return the smaller one. (2, B) -> (B,)."""
        return values.min(0).values

    def target(self, rows: Tensor, following: Tensor) -> Tensor:
        """Return r + gamma V(s'), and r alone at the end of an episode. Shape (B,)."""
        return self.signal[rows] + self.gamma * following * ~self.last[rows]


class CostCriterion(Criterion):
    """The worst violation still to come; less is better."""

    def __init__(self, data: Demonstrations, numbers: CriticSettings) -> None:
        """Count a violation as `violation`, any other step as `safe`.

        Raises:
            ConfigError: If there are no costs, or all steps are alike.
        """
        super().__init__(data, numbers)
        self.expectile = 1.0 - numbers.cost_expectile
        if not len(data.cost):
            raise ConfigError(f"objective 'safety' needs '{COST}' in the data")
        violated = data.cost > 0.0
        if not violated.any() or violated.all():
            raise ConfigError(
                f"{int(violated.sum())} of {len(data)} steps violate: nothing to tell"
            )
        self.signal = torch.where(violated, numbers.violation, numbers.safe)

    @staticmethod
    def pessimistic(values: Tensor) -> Tensor:
        """Return the larger one. (2, B) -> (B,)."""
        return values.max(0).values

    def target(self, rows: Tensor, following: Tensor) -> Tensor:
        """Return `reach_target`; at the end of an episode the cost itself follows. Shape (B,)."""
        cost = self.signal[rows]
        return reach_target(cost, torch.where(self.last[rows], cost, following), self.gamma)


CRITERIA: dict[str, type[Criterion]] = {"reward": RewardCriterion, "safety": CostCriterion}
