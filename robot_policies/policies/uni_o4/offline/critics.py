"""Twin Q and V of implicit Q-learning (Kostrikov et al. 2021, arXiv 2110.06169).

V is an upper expectile of Q over the actions in the data, so no action that is not in the data is
ever evaluated. A time-out is no terminal: V of the next state is counted.
"""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from robot_policies.learning.averages import follow
from robot_policies.learning.networks import mlp
from robot_policies.learning.values import TwinQ, expectile_loss
from robot_policies.policies.uni_o4.losses import value_loss
from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.standardizer import Standardizer


class Critics(nn.Module):
    """Q1, Q2, their slow copies, and V, which is the policy's and sees what it sees.

    Q is the first V plus what a net adds: V is drawn to Q, so a Q that began at nothing would
    first pull down all that a V from a checkpoint knows.
    """

    def __init__(
        self,
        width: int,
        action_width: int,
        value: nn.Module,
        settings: OfflineSettings,
        privileged: int = 0,
    ) -> None:
        """Make the nets.

        Args:
            width: Numbers in an observation.
            action_width: Numbers in an action.
            value: The V to train, (B, W) -> (B, 1); copied.
            settings: Numbers of the phase.
            privileged: Numbers before those that V sees.
        """
        super().__init__()
        self.privileged = privileged
        self.scale = Standardizer(width + action_width)
        self.q = TwinQ(lambda: mlp(width + action_width, settings.critic_hidden, 1))
        for net in self.q:
            nn.init.zeros_(net[-1].weight)  # pyright: ignore
            nn.init.zeros_(net[-1].bias)  # pyright: ignore
        self.slow = deepcopy(self.q).requires_grad_(False)
        self.value = deepcopy(value)
        self.first_value = deepcopy(value).requires_grad_(False)
        self.settings = settings

    def twin(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return both Q. Shape (2, B)."""
        return self._evaluate(self.q, observation, action)

    def smaller(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return the smaller Q. Shape (B,)."""
        return self.twin(observation, action).amin(0)

    def slow_smaller(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return the smaller of the slow Q. Shape (B,)."""
        return self._evaluate(self.slow, observation, action).amin(0)

    def v(self, observation: Tensor) -> Tensor:
        """Return V. Shape (B,)."""
        return self._seen(self.value, observation)

    def losses(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the losses of V and of Q on a batch of `Transitions.tensors`.

        Q_i(s, a) is drawn to r + gamma (1 - terminal) V(s'), V to the expectile of the slow Q, or
        to the discounted `returns` of the batch.
        """
        settings, value = self.settings, self.v(batch["observation"])
        with torch.no_grad():
            slow = self.slow_smaller(batch["observation"], batch["action"])
            following = self.v(batch["next_observation"])
            alive = 1.0 - batch["terminal"]
            reward = settings.reward_scale * batch["reward"]
            target = reward + settings.gamma * alive * following
        if settings.value_target == "monte_carlo":
            of_value = value_loss(value, batch["returns"])
        else:
            of_value = expectile_loss(slow - value, settings.expectile)
        both = self.twin(batch["observation"], batch["action"])
        return of_value, (both - target).square().mean(1).sum()

    def follow(self) -> None:
        """Move the slow copies towards Q."""
        follow(self.slow.parameters(), self.q.parameters(), self.settings.target_rate)

    def _evaluate(self, added: TwinQ, observation: Tensor, action: Tensor) -> Tensor:
        """Return Q_i(s, a) = V_first(s) + net_i(s, a), of standardised inputs. Shape (2, B)."""
        inputs = self.scale(torch.cat([observation, action], -1))
        return self._seen(self.first_value, observation) + added(inputs)

    def _seen(self, value: nn.Module, observation: Tensor) -> Tensor:
        return value(observation[..., self.privileged :]).squeeze(-1)
