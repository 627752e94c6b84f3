"""What Uni-O4 is compared with: policies learned from the same data with the same networks.

BC is the supervised phase with one member, BPPO the improvement with one member and no gate.
"""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from robot_policies.policies.uni_o4.critics import Critics
from robot_policies.policies.uni_o4.losses import gaussian_log_prob
from robot_policies.policies.uni_o4.offline_settings import OfflineSettings
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

    @torch.no_grad()
    def follow(self) -> None:
        """Move the slow copies towards policy and critics."""
        self.critics.follow()
        pairs = zip(self.slow_policy.parameters(), self.policy.parameters(), strict=True)
        for slow, fast in pairs:
            slow.lerp_(fast, self.settings.target_rate)
