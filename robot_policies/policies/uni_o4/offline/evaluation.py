"""AM-Q: what a policy is worth, by the learned model and critics alone.

The paper scores a policy by the Q-values met along rollouts of the learned model. Two things
differ from the public code, which averages over the steps that are still alive: after the end of
an episode Q counts as 0, so falling early does not pay, and a rollout ends where the model's
elites disagree, because what follows is made up (Kidambi et al. 2020, MOReL); from there on the
least Q of the data counts.

Two policies are compared on the same start states with the same noise, so that their difference
is not hidden by the luck of the draw.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from robot_policies.policies.uni_o4.offline.critics import Critics
from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.offline.transition_model import TransitionModel


@dataclass(frozen=True, eq=False)
class Expansion:
    """Q of an action from the learned model and V, instead of from a net that was fitted to it.

    Q(s, a) = r_0 + gamma r_1 + ... + gamma^h V(s_h), the first action given and the others the
    policy's (Feinberg et al. 2018, arXiv 1803.00101). Where a command takes effect late and is one
    of fifty a second, its worth is far below the noise of a log: a fitted Q finds the state's
    worth and nothing of the action's. The model, which predicts the next state without that
    noise, does. Where its elites disagree about a reward, their disagreement is taken off, or the
    policy is drawn to where they are wrong (Yu et al. 2020, MOPO).

    Attributes:
        model: One-step models; the mean of the elites is followed.
        critics: Supply V.
        settings: `expansion` steps, `caution` times the disagreement.
    """

    model: TransitionModel
    critics: Critics
    settings: OfflineSettings

    @torch.no_grad()
    def q(self, policy: nn.Module, observation: Tensor, action: Tensor) -> Tensor:
        """Return Q. Shape (B,)."""
        settings, space = self.settings, self.model.space
        total, weight = torch.zeros(len(observation)), torch.ones(len(observation))
        for _ in range(settings.expansion):
            done = space.execute(observation, action)
            observation, reward, doubt = self.model.mean_step(observation, done)
            total += weight * settings.reward_scale * (reward - settings.caution * doubt)
            weight = weight * settings.gamma * (~space.terminated(observation)).float()
            action, _ = policy(observation)
        return total + weight * self.critics.v(observation)


LEAST = 0.01  # quantile of Q on the data that counts where nothing is known


class Evaluator(Protocol):
    """Gives a policy a score per start state."""

    def draw(self, count: int) -> "Chance":
        """Draw what a comparison has in common."""
        ...

    def score(self, policy: nn.Module, chance: "Chance") -> Tensor:
        """Return the score from each start state. Shape (count,)."""
        ...


@dataclass(frozen=True, eq=False)
class Chance:
    """What is random in a set of rollouts.

    Attributes:
        start: Start states. Shape (S, W).
        elite: Which elite predicts. Shape (H, S).
        noise: Of the predictions. Shape (H, S, P + 1).
    """

    start: Tensor
    elite: Tensor
    noise: Tensor


class ModelRollouts:
    """AM-Q of policies in one task."""

    def __init__(
        self,
        model: TransitionModel,
        critics: Critics,
        data: dict[str, Tensor],
        settings: OfflineSettings,
    ) -> None:
        """Keep where rollouts start: states of the data."""
        self.model, self.critics, self.settings = model, critics, settings
        self._start = data["observation"]
        with torch.no_grad():
            rows = torch.linspace(0, len(self._start) - 1, min(len(self._start), 2000)).long()
            q = critics.smaller(self._start[rows], data["action"][rows])
            self._least = float(torch.quantile(q, LEAST))
        self._limit = settings.support * float(model.usual)

    def draw(self, count: int) -> Chance:
        """Draw start states, elites and noise."""
        horizon, outputs = self.settings.horizon, self.model.space.change_width + 1
        return Chance(
            self._start[torch.randint(len(self._start), (count,))],
            torch.randint(len(self.model.elites), (horizon, count)),
            torch.randn(horizon, count, outputs),
        )

    @torch.no_grad()
    def score(self, policy: nn.Module, chance: Chance) -> Tensor:
        """Return the mean Q over the horizon, from each start state. Shape (S,)."""
        observation = chance.start
        alive = torch.ones(len(observation), dtype=torch.bool)
        known = alive.clone()
        total = torch.zeros(len(observation))
        for elite, noise in zip(chance.elite, chance.noise, strict=True):
            mean, _ = policy(observation)
            action = self.model.space.execute(observation, mean)
            q = self.critics.smaller(observation, action)
            following, _, ended, doubt = self.model.step(observation, action, elite, noise)
            known = known & ~(alive & (doubt > self._limit))
            total += torch.where(alive, torch.where(known, q, self._least), 0.0)
            alive = alive & ~(ended & known)
            # A rollout that is over stands still, so that no number grows without bound.
            going = (alive & known).unsqueeze(-1) & torch.isfinite(following)
            observation = torch.where(going, following, observation)
        return total / self.settings.horizon


def is_better(candidate: Tensor, incumbent: Tensor, margin: float) -> tuple[bool, float]:
    """Return whether paired scores rose by more than `margin` standard errors, and by how much."""
    gain = candidate - incumbent
    mean = float(gain.mean())
    error = float(gain.std()) / len(gain) ** 0.5 if len(gain) > 1 else 0.0
    return mean > max(margin * error, 0.0), mean
