"""Offline multi-step improvement: clipped policy steps on states of the data, accepted by AM-Q.

Each member i takes steps of PPO against its own frozen behaviour copy, from which the actions are
drawn; the advantage is min Q - V. At every check a member that scores better than its copy, by a
margin and on the same start states, becomes the copy. What is returned are the copies: a member
that was refused since its last success is never handed on.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from robot_policies.policies.uni_o4.losses import clipped_surrogate, gaussian_log_prob
from robot_policies.policies.uni_o4.offline.critics import Critics
from robot_policies.policies.uni_o4.offline.evaluation import Evaluator, Expansion, is_better
from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.spaces import Space


@dataclass(frozen=True)
class Check:
    """What the acceptance test decided at one check.

    Attributes:
        step: Steps taken before it.
        gain: Rise of each member's score over its copy's.
        accepted: Whether each member became its copy.
    """

    step: int
    gain: tuple[float, ...]
    accepted: tuple[bool, ...]


@dataclass
class Improver:
    """Members that are being improved.

    Attributes:
        members: Policies that take steps.
        behavior: The copies actions are drawn from, and what is handed on.
        expansion: Q from the model; min Q of the critics if not given.
        checks: What the acceptance test decided.
    """

    members: nn.ModuleList
    critics: Critics
    space: Space
    evaluator: Evaluator | None
    settings: OfflineSettings
    expansion: Expansion | None = None
    checks: list[Check] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Freeze the copies."""
        self.behavior = deepcopy(self.members).requires_grad_(False)
        self.optimizer = torch.optim.Adam(
            self.members.parameters(), lr=self.settings.improvement_rate
        )

    def step(self, observation: Tensor, done: int) -> float:
        """Take one clipped step with every member on the same states.

        Args:
            observation: States of the data. Shape (B, W).
            done: Steps taken before.

        Returns:
            The mean loss.
        """
        settings = self.settings
        left = 1.0 - done / settings.improvement_steps
        for group in self.optimizer.param_groups:
            group["lr"] = settings.improvement_rate * left
        self.optimizer.zero_grad()
        losses = []
        for i in range(len(self.members)):
            loss = self.member_loss(i, observation, settings.clip * left)
            loss.backward()
            nn.utils.clip_grad_norm_(self.members[i].parameters(), settings.gradient_norm)
            losses.append(float(loss.detach()))
        self.optimizer.step()
        return sum(losses) / len(losses)

    def member_loss(self, member: int, observation: Tensor, clip: float) -> Tensor:
        """Return the clipped surrogate of one member on actions of its copy. Scalar.

        The advantage is min Q - V. From the model, Q is compared within a pair of opposite
        deviations from the mean instead, which leaves no trace of the state's own worth; a batch
        holds half as many states then.
        """
        behavior = self.behavior[member]
        if self.expansion is not None:
            observation = observation[: (len(observation) + 1) // 2]
        with torch.no_grad():
            mean, log_std = behavior(observation)
            noise = log_std.exp() * torch.randn_like(mean)
            if self.expansion is None:
                action = mean + noise
                done = self.space.execute(observation, action)
                advantage = self.critics.smaller(observation, done) - self.critics.v(observation)
            else:
                action = torch.cat([mean + noise, mean - noise])
                observation = torch.cat([observation, observation])
                one, other = self.expansion.q(behavior, observation, action).chunk(2)
                advantage = torch.cat([one - other, other - one])
            old_mean, old_log_std = behavior(observation)
            old = gaussian_log_prob(old_mean, old_log_std, action)
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        mean, log_std = self.members[member](observation)
        return clipped_surrogate(gaussian_log_prob(mean, log_std, action), old, advantage, clip)

    def check(self, done: int) -> Check:
        """Let every member that scores better than its copy become it."""
        gains, accepted = [], []
        if self.evaluator is None or self.settings.acceptance == "off":
            gains, accepted = [0.0] * len(self.members), [True] * len(self.members)
        else:
            chance = self.evaluator.draw(self.settings.start_states)
            for member, copy in zip(self.members, self.behavior, strict=True):
                score, before = (self.evaluator.score(p, chance) for p in (member, copy))
                better, gain = is_better(score, before, self.settings.acceptance_margin)
                gains.append(gain)
                accepted.append(better)
        for i, better in enumerate(accepted):
            if better:
                self.behavior[i].load_state_dict(self.members[i].state_dict())
        self.checks.append(Check(done, tuple(gains), tuple(accepted)))
        return self.checks[-1]


def choose(
    policies: Sequence[nn.Module] | nn.ModuleList, evaluator: Evaluator, starts: int
) -> tuple[int, list[float]]:
    """Return the policy with the best score on common start states, and all scores."""
    chance = evaluator.draw(starts)
    scores = [float(evaluator.score(policy, chance).mean()) for policy in policies]
    return scores.index(max(scores)), scores


def peek(
    policies: Sequence[nn.Module] | nn.ModuleList, true_score: Callable[[nn.Module], float]
) -> tuple[int, list[float]]:
    """Return the policy with the best true score, as the public code chooses.

    It looks at the task itself, so a result chosen by it is no offline result.
    """
    scores = [true_score(policy) for policy in policies]
    return scores.index(max(scores)), scores
