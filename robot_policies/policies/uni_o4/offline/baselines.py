"""What Uni-O4 is compared with: policies learned from the same data with the same networks.

BC is the supervised phase with one member; BPPO is the improvement with one member and without
acceptance test.
"""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from robot_policies.learning.averages import follow
from robot_policies.policies.uni_o4.losses import gaussian_log_prob
from robot_policies.policies.uni_o4.offline.critics import Critics
from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.offline.stage import Networks, Stage, descend
from robot_policies.policies.uni_o4.spaces import Space


def advantage_weighted_loss(
    policy: nn.Module, critics: Critics, batch: Mapping[str, Tensor], settings: OfflineSettings
) -> Tensor:
    """Return -exp(temperature A) log pi(a|s), the policy of implicit Q-learning, eq. 7. Scalar.

    A is divided by its deviation over the batch, so that the temperature does not depend on the
    scale of the reward.
    """
    observation, action = batch["observation"], batch["action"]
    with torch.no_grad():
        advantage = critics.smaller(observation, action) - critics.v(observation)
        scaled = settings.iql_temperature * advantage / (advantage.std() + 1e-8)
        weight = scaled.exp().clamp(max=settings.iql_cap)
    mean, log_std = policy(observation)
    return -(weight * gaussian_log_prob(mean, log_std, action)).mean()


class Td3Bc(nn.Module):
    """TD3 with a pull towards the data (Fujimoto & Gu 2021, arXiv 2106.06860).

    It evaluates its own policy, so its Q are trained here and not taken over.
    """

    def __init__(
        self, policy: nn.Module, critics: Critics, space: Space, settings: OfflineSettings
    ) -> None:
        """Start from a policy and from critics that are fitted to the data."""
        super().__init__()
        self.policy, self.slow_policy = policy, deepcopy(policy).requires_grad_(False)
        self.critics, self.space, self.settings = deepcopy(critics), space, settings

    def critic_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the error of both Q against the slow policy's next action. Scalar."""
        settings, following = self.settings, batch["next_observation"]
        with torch.no_grad():
            mean, _ = self.slow_policy(following)
            noise = settings.td3_noise * torch.randn_like(mean)
            noise = noise.clamp(-settings.td3_noise_clip, settings.td3_noise_clip)
            action = self.space.execute(following, mean + noise)
            slow = self.critics.slow_smaller(following, action)
            reward = settings.reward_scale * batch["reward"]
            target = reward + settings.gamma * (1.0 - batch["terminal"]) * slow
        both = self.critics.twin(batch["observation"], batch["action"])
        return (both - target).square().mean(1).sum()

    def policy_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return -lambda Q(s, pi(s)) + (pi(s) - a)^2, lambda = weight / mean |Q|. Scalar."""
        mean, _ = self.policy(batch["observation"])
        q = self.critics.twin(batch["observation"], mean)[0]
        pull = (mean - batch["action"]).square().mean()
        return -self.settings.td3_weight / q.detach().abs().mean() * q.mean() + pull

    def follow(self) -> None:
        """Move the slow copies towards policy and critics."""
        self.critics.follow()
        rate = self.settings.target_rate
        follow(self.slow_policy.parameters(), self.policy.parameters(), rate)


class AdvantageWeighted(Stage):
    """The advantage-weighted policy of implicit Q-learning."""

    name = "weighted"

    def __init__(self, networks: Networks) -> None:
        super().__init__(networks)
        self.total = self.settings.baseline_steps
        parameters = networks.policies.parameters()
        self.optimizers = [torch.optim.Adam(parameters, lr=self.settings.baseline_rate)]

    def step(self) -> dict[str, float]:
        """Take one step."""
        policy = self.networks.policies[0]
        loss = advantage_weighted_loss(
            policy, self.networks.critics, self.networks.batch(), self.settings
        )
        return {"loss": descend(self.optimizers[0], loss)}


class Td3BcFit(Stage):
    """TD3+BC."""

    name = "td3_bc"

    def __init__(self, networks: Networks) -> None:
        super().__init__(networks)
        settings = self.settings
        self.total = settings.baseline_steps
        policy = networks.policies[0]
        self.pair = Td3Bc(policy, networks.critics, networks.space, settings)
        self.extra["pair"] = self.pair
        self.optimizers = [
            torch.optim.Adam(self.pair.critics.q.parameters(), lr=settings.critic_rate),
            torch.optim.Adam(policy.parameters(), lr=settings.baseline_rate),
        ]

    def step(self) -> dict[str, float]:
        """Take one step with the critics, and every second time with the policy."""
        batch = self.networks.batch()
        loss = descend(self.optimizers[0], self.pair.critic_loss(batch))
        if (self.done + 1) % self.settings.target_every == 0:
            descend(self.optimizers[1], self.pair.policy_loss(batch))
            self.pair.follow()
        return {"q_loss": loss}
