"""Critics: what each step of demonstrations is worth, by one of the criteria.

The authors train critics and skills together; here the critics come first, so that a skill's
weights are fixed numbers that can be looked at (`sample_weights.py`).

Letters: `B` batch, `O` observation width, `A` action width.
"""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from robot_policies.learning.averages import follow
from robot_policies.learning.networks import mlp
from robot_policies.learning.values import TwinQ, expectile_loss
from robot_policies.policies.psec.criteria import CRITERIA, CriticSettings
from robot_policies.policies.psec.demonstrations import Demonstrations
from robot_policies.policies.psec.fit import FitSettings, Report, fit


class Critic(nn.Module):
    """Two action values and a state value."""

    def __init__(self, observation: int, action: int, hidden: int) -> None:
        """Make the networks."""
        super().__init__()
        widths = (hidden, hidden)
        self.q = TwinQ(lambda: mlp(observation + action, widths, 1, nn.ReLU))
        self.v = mlp(observation, widths, 1, nn.ReLU)

    def action_values(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return both values. (B, O), (B, A) -> (2, B)."""
        return self.q(torch.cat([observation, action], dim=-1))

    def value(self, observation: Tensor) -> Tensor:
        """Return the state value. (B, O) -> (B,)."""
        return self.v(observation).squeeze(-1)


def train_critic(
    data: Demonstrations,
    objective: str,
    settings: FitSettings,
    numbers: CriticSettings,
    *,
    state: Path | None = None,
    report: Report | None = None,
) -> Critic:
    """Train what judges steps.

    Q is drawn to the criterion's target, V to an expectile of the more pessimistic of two slow
    copies of Q (eq. 5 and 6 of implicit Q-learning).

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
    criterion = CRITERIA[objective](data, numbers)
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        critic = Critic(data.observation.shape[1], data.action.shape[2], numbers.hidden)
    slow = copy.deepcopy(critic.q)
    following = torch.cat([data.observation[1:], data.observation[-1:]])

    def loss(rows: Tensor) -> Tensor:
        observation = data.observation[rows]
        both = torch.cat([observation, data.action[rows, 0]], dim=-1)
        with torch.no_grad():
            target = criterion.target(rows, critic.value(following[rows]))
            best = criterion.pessimistic(slow(both))
        of_v = expectile_loss(best - critic.value(observation), criterion.expectile)
        return (critic.q(both) - target).square().mean() + of_v

    fit(
        list(critic.parameters()),
        loss,
        len(data),
        settings,
        state=state,
        about=f"critic {objective} {numbers} {data.digest}",
        carried=list(slow.parameters()),
        after=lambda: follow(slow.parameters(), critic.q.parameters(), numbers.target_rate),
        report=report,
    )
    return critic
