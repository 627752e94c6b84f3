"""Supervised phase: Gaussian policies that imitate the data and disagree with each other.

The paper treats the ensemble as one behaviour policy f(a|s) = max_j pi_j(a|s) / Z(s) and adds to
each member's likelihood its divergence from f, so that members cover different modes. Letters:
`B` batch, `W` observation, `A` action.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from robot_policies.policies.uni_o4.losses import gaussian_log_prob
from robot_policies.policies.uni_o4.offline.settings import Diversity
from robot_policies.policies.uni_o4.online.ppo import Learner


class GaussianActor(nn.Module):
    """The actor of a policy with its own noise."""

    def __init__(self, policy: Learner, privileged: int = 0) -> None:
        """Copy mean and noise of a policy.

        Args:
            policy: Copied.
            privileged: Numbers before those it sees, see `Transitions`.
        """
        super().__init__()
        self.privileged = privileged
        self.mean = deepcopy(policy.actor)
        self.log_std = nn.Parameter(policy.log_std.detach().clone())

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation. (B, W) -> (B, A), (A,)."""
        return self.mean(observation[..., self.privileged :]), self.log_std


def member_loss(
    member: int,
    policies: nn.ModuleList,
    observation: Tensor,
    action: Tensor,
    *,
    diversity: Diversity,
    weight: float,
    cap: float,
) -> Tensor:
    """Return -log pi_i(a|s) - weight * divergence of member i from the others. Scalar.

    Only member i receives a gradient. With `kl` it is KL(pi_i || max_j pi_j) from one
    reparameterised sample of pi_i, so it points away from the other members. The term of the
    public code, `upstream`, has the gradient of `weight * log pi_i(a|s)` and nothing else: it
    scales imitation by 1 + weight.

    Args:
        member: i.
        policies: All members; each returns mean and log standard deviation.
        observation: Shape (B, W).
        action: What the data did. Shape (B, A).
        diversity: See above, or `none`.
        weight: Of the divergence.
        cap: Nats above which a sample's divergence is no longer rewarded.
    """
    mean, log_std = policies[member](observation)
    likelihood = gaussian_log_prob(mean, log_std, action)
    if diversity == "none" or len(policies) == 1:
        return -likelihood.mean()
    with torch.no_grad():
        others = [policy(observation) for j, policy in enumerate(policies) if j != member]
    if diversity == "upstream":
        nearest = torch.stack([gaussian_log_prob(m, s, action) for m, s in others]).amax(0)
        return -(likelihood + weight * (likelihood - nearest)).mean()
    own = mean + log_std.exp() * torch.randn_like(mean)
    nearest = torch.stack([gaussian_log_prob(m, s, own) for m, s in others]).amax(0)
    divergence = (gaussian_log_prob(mean, log_std, own) - nearest).clamp(max=cap)
    return -(likelihood + weight * divergence).mean()
