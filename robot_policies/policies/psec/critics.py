"""How good and how safe each demonstrated step is: the weights of PSEC's two skill objectives.

Reward: implicit Q-learning (Kostrikov et al. 2022, arXiv 2110.06169). Cost: the worst violation
still to come, a Hamilton-Jacobi value (FISOR, Zheng et al. 2024, arXiv 2401.10700). The authors
train critics and skills together; here the critics come first, so that a skill's weights are fixed
numbers that can be looked at.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.policies.psec.demonstrations import COST, REWARD, Demonstrations
from robot_policies.policies.psec.fit import FitSettings, Report, fit
from robot_policies.policies.psec.losses import (
    expectile_loss,
    reach_target,
    reward_weight,
    safety_weight,
)

OBJECTIVES = ("imitation", "reward", "safety")


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


class Critic(nn.Module):
    """Two action values and a state value."""

    def __init__(self, observation: int, action: int, hidden: int) -> None:
        """Make the networks."""
        super().__init__()
        self.q = nn.ModuleList(_mlp(observation + action, hidden) for _ in range(2))
        self.v = _mlp(observation, hidden)

    def action_values(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return both values. (B, O), (B, A) -> (2, B)."""
        both = torch.cat([observation, action], dim=-1)
        return torch.stack([q(both).squeeze(-1) for q in self.q])

    def value(self, observation: Tensor) -> Tensor:
        """Return the state value. (B, O) -> (B,)."""
        return self.v(observation).squeeze(-1)


def sample_weights(
    data: Demonstrations,
    objective: str,
    settings: FitSettings,
    numbers: CriticSettings | None = None,
    *,
    state: Path | None = None,
    report: Report | None = None,
) -> Tensor | None:
    """Return how much each step counts in training a skill; `None` where all count alike.

    Args:
        data: The demonstrations.
        objective: `imitation`, `reward` or `safety`.
        settings: Of the training of the critics.
        numbers: Of the critics.
        state: File to go on from.
        report: Called after each step.

    Returns:
        Shape (N,).

    Raises:
        ConfigError: If the data lack the labels, or these say nothing.
    """
    if objective not in OBJECTIVES:
        raise UnknownNameError("objective", objective, OBJECTIVES)
    if objective == "imitation":
        return None
    numbers = numbers or CriticSettings()
    critic = train_critic(data, objective, settings, numbers, state=state, report=report)
    return skill_weights(critic, data, objective, numbers)


def skill_weights(
    critic: Critic, data: Demonstrations, objective: str, numbers: CriticSettings
) -> Tensor:
    """Return how much each step counts in training a skill, judged by a critic. Shape (N,).

    Raises:
        ConfigError: If no step is safer than usual.
    """
    q, v = judge(critic, data, objective)
    if objective == "reward":
        return reward_weight(q, v, numbers.sharpness, numbers.ceiling)
    weight = safety_weight(q, v, numbers.sharpness, numbers.ceiling)
    if not weight.any():
        raise ConfigError("safety: no step is safer than usual; there is nothing to learn from")
    return weight


def gate_weights(critic: Critic, data: Demonstrations, numbers: CriticSettings) -> Tensor:
    """Return how much each step of a task's demonstrations counts for a gate.

    min(exp(V - Q), ceiling) of costs: where usual behaviour would do harm and the demonstrator
    does none, there it matters which skill acts. No step is dropped, as all are of the task [own].

    Args:
        critic: Of costs, trained on what others did.
        data: Demonstrations of the task.
        numbers: Of the critic.

    Returns:
        Shape (N,).
    """
    q, v = judge(critic, data, "safety")
    return reward_weight(-q, -v, numbers.sharpness, numbers.ceiling)


@torch.no_grad()
def judge(critic: Critic, data: Demonstrations, objective: str) -> tuple[Tensor, Tensor]:
    """Return Q of each step, the more pessimistic of two, and V. Shape (N,) each."""
    values = critic.action_values(data.observation, data.action[:, 0])
    pessimistic = values.max(0).values if objective == "safety" else values.min(0).values
    return pessimistic, critic.value(data.observation)


def train_critic(
    data: Demonstrations,
    objective: str,
    settings: FitSettings,
    numbers: CriticSettings,
    *,
    state: Path | None = None,
    report: Report | None = None,
) -> Critic:
    """Train what judges steps by reward, or by cost.

    Args:
        data: Steps with labels.
        objective: `reward` or `safety`.
        settings: Of the training.
        numbers: Of the critic.
        state: File to go on from.
        report: Called after each step.

    Raises:
        ConfigError: If the data lack the labels, or these say nothing.
    """
    signal = _reward(data, numbers) if objective == "reward" else _cost(data, numbers)
    return _train(data, signal, objective == "safety", settings, numbers, state, report)


def _train(
    data: Demonstrations,
    signal: Tensor,
    safety: bool,
    settings: FitSettings,
    numbers: CriticSettings,
    state: Path | None,
    report: Report | None,
) -> Critic:
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        critic = Critic(data.observation.shape[1], data.action.shape[2], numbers.hidden)
    target = copy.deepcopy(critic.q)
    following = torch.cat([data.observation[1:], data.observation[-1:]])
    last = data.last

    def loss(rows: Tensor) -> Tensor:
        observation, action = data.observation[rows], data.action[rows, 0]
        v = critic.value(observation)
        with torch.no_grad():
            next_v = critic.value(following[rows])
            both = torch.cat([observation, action], dim=-1)
            slow = torch.stack([q(both).squeeze(-1) for q in target])
            if safety:
                next_v = torch.where(last[rows], signal[rows], next_v)
                goal = reach_target(signal[rows], next_v, numbers.gamma)
            else:
                goal = signal[rows] + numbers.gamma * next_v * ~last[rows]
        if safety:
            v_loss = expectile_loss(slow.max(0).values - v, 1.0 - numbers.cost_expectile)
        else:
            v_loss = expectile_loss(slow.min(0).values - v, numbers.reward_expectile)
        q_loss = (critic.action_values(observation, action) - goal).square().mean()
        return q_loss + v_loss

    @torch.no_grad()
    def follow() -> None:
        for mean, value in zip(target.parameters(), critic.q.parameters(), strict=True):
            mean.lerp_(value, numbers.target_rate)

    fit(
        list(critic.parameters()),
        loss,
        len(data),
        settings,
        state=state,
        about=f"critic {safety} {numbers} {data.digest}",
        carried=list(target.parameters()),
        after=follow,
        report=report,
    )
    return critic


def _reward(data: Demonstrations, numbers: CriticSettings) -> Tensor:
    if not len(data.reward):
        raise ConfigError(f"objective 'reward' needs '{REWARD}' in the data")
    returns = torch.stack(
        [data.reward[data.episode == number].sum() for number in data.episode.unique()]
    )
    span = float(returns.max() - returns.min())
    if not span > 0.0:
        raise ConfigError(f"every episode has the return {float(returns[0]):g}: none is better")
    return data.reward * numbers.return_scale / span


def _cost(data: Demonstrations, numbers: CriticSettings) -> Tensor:
    if not len(data.cost):
        raise ConfigError(f"objective 'safety' needs '{COST}' in the data")
    violated = data.cost > 0.0
    if not violated.any() or violated.all():
        raise ConfigError(f"{int(violated.sum())} of {len(data)} steps violate: nothing to tell")
    return torch.where(violated, numbers.violation, numbers.safe)


def _mlp(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()),
        nn.Linear(hidden, 1),
    )
