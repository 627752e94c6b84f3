"""Pure functions of proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347).

Letters: `T` steps, `N` environments, `A` action width, `B` any batch.
"""

import math

import torch
from torch import Tensor


def gaussian_log_prob(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """Return log N(action; mean, std), summed over the action. Shape (B,)."""
    scaled = (action - mean) * torch.exp(-log_std)
    return (-0.5 * scaled.square() - log_std - 0.5 * math.log(2.0 * math.pi)).sum(-1)


def gaussian_kl(old_mean: Tensor, old_log_std: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Return KL(old || new) of diagonal Gaussians, summed over the action. Shape (B,)."""
    ratio = torch.exp(2.0 * (old_log_std - log_std))
    distance = ((old_mean - mean) * torch.exp(-log_std)).square()
    return (log_std - old_log_std + 0.5 * (ratio + distance - 1.0)).sum(-1)


def clipped_surrogate(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float
) -> Tensor:
    """Return the negative clipped objective, eq. 7. Scalar."""
    ratio = torch.exp(log_prob - old_log_prob)
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage).mean()


def value_loss(value: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error, eq. 9. Scalar."""
    return (value - target).square().mean()


def generalized_advantage(
    reward: Tensor, value: Tensor, last_value: Tensor, done: Tensor, gamma: float, lam: float
) -> Tensor:
    """Return the advantages of eq. 11 (Schulman et al. 2016, arXiv 1506.02438).

    Args:
        reward: Shape (T, N); of a step cut off by a time limit, it includes gamma times the value
            of the state the episode was cut off in.
        value: Value of the state before each step. Shape (T, N).
        last_value: Value of the state after the last step. Shape (N,).
        done: 1 where the step ended the episode, for any reason. Shape (T, N).
        gamma: Discount per step.
        lam: 0 is one-step, 1 Monte Carlo.

    Returns:
        Shape (T, N).
    """
    advantage = torch.zeros_like(reward)
    running = torch.zeros_like(last_value)
    following = last_value
    for t in reversed(range(len(reward))):
        alive = 1.0 - done[t]
        delta = reward[t] + gamma * following * alive - value[t]
        running = delta + gamma * lam * alive * running
        advantage[t] = running
        following = value[t]
    return advantage
