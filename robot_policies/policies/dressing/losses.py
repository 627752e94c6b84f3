"""What a teacher learns from an expert, and a student from its teachers.

Letters: mu means after tanh, sigma deviations, of the gripper's row alone. Shape (B, 6) each.
"""

import math

import torch
from torch import Tensor

LOSSES = ("transport", "kl")


def imitation_loss(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """Return -log N(action; mu, sigma), summed over elements, averaged over the batch.

    Args:
        mean: mu. Shape (B, A).
        log_std: log sigma. Shape (B, A).
        action: What the expert did, in [-1, 1]. Shape (B, A).
    """
    squared = ((action - mean) * torch.exp(-log_std)) ** 2
    return (0.5 * squared + log_std + 0.5 * math.log(2.0 * math.pi)).sum(-1).mean()


def transport_loss(
    mean: Tensor, log_std: Tensor, teacher_mean: Tensor, teacher_log_std: Tensor
) -> Tensor:
    """Return (mu_T - mu_S)^2 + (sqrt(sigma_T) - sqrt(sigma_S))^2, summed, over the batch averaged.

    The paper's distance between a teacher's and the student's Gaussian; the authors' code takes
    the square root of the deviation. Theirs sums over the batch as well [own: the mean, so that
    the learning rate does not depend on the batch].
    """
    means = (teacher_mean - mean) ** 2
    roots = (torch.exp(0.5 * teacher_log_std) - torch.exp(0.5 * log_std)) ** 2
    return (means + roots).sum(-1).mean()


def kl_loss(
    mean: Tensor, log_std: Tensor, teacher_mean: Tensor, teacher_log_std: Tensor
) -> Tensor:
    """Return KL(teacher || student) of diagonal Gaussians, the paper's Table II ablation."""
    ratio = torch.exp(2.0 * (teacher_log_std - log_std))
    shift = ((teacher_mean - mean) * torch.exp(-log_std)) ** 2
    return (0.5 * (ratio + shift - 1.0) + log_std - teacher_log_std).sum(-1).mean()


def critic_loss(values: Tensor, target: Tensor) -> Tensor:
    """Return the sum of both critics' mean squared errors. (B, 2), (B,) -> ()."""
    return ((values - target.unsqueeze(-1)) ** 2).mean(0).sum()
