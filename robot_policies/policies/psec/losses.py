"""The schedule, the losses and the sample weights of PSEC, as pure functions.

Letters: `B` batch, `T` chunk, `A` action width, `K` denoising steps; `Q`, `V` values of a state
and an action, and of a state.
"""

import torch
from torch import Tensor

ACTION_BOUND = 1.0 - 1e-5  # what actions are clipped to before noise is added [authors' code]


def vp_schedule(steps: int, beta_min: float, beta_max: float) -> Tensor:
    """Return the share of signal that each noising step keeps, alpha_1 .. alpha_K.

    alpha_t = exp(-beta_min / K - (beta_max - beta_min) (2 t - 1) / (2 K^2)), the variance
    preserving schedule of the authors' code (after Xiao et al. 2022, arXiv 2112.07804).

    Returns:
        Shape (K,).
    """
    t = torch.arange(1, steps + 1, dtype=torch.float64)
    exponent = -beta_min / steps - 0.5 * (beta_max - beta_min) * (2 * t - 1) / steps**2
    return torch.exp(exponent).float()


def add_noise(action: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return sqrt(alpha_bar) a + sqrt(1 - alpha_bar) eps.

    Args:
        action: Shape (B, T, A).
        noise: Shape (B, T, A).
        alpha_bar: Product of the shares up to each sample's step. Shape (B,).
    """
    share = alpha_bar[:, None, None]
    return share.sqrt() * action + (1.0 - share).sqrt() * noise


def diffusion_loss(
    predicted: Tensor, noise: Tensor, valid: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Return w(s, a) |eps - eps_theta|^2, summed over an action, averaged over valid actions.

    The weight is not normalised: the paper's is the plain product.

    Args:
        predicted: Shape (B, T, A).
        noise: Shape (B, T, A).
        valid: False where the episode had ended. Shape (B, T).
        weight: Of each sample; 1 if left out. Shape (B,).
    """
    error = (predicted - noise).square().sum(-1)  # (B, T)
    if weight is not None:
        error = error * weight.unsqueeze(-1)
    return (error * valid).sum() / valid.sum().clamp_min(1)


def reward_weight(q: Tensor, v: Tensor, sharpness: float, ceiling: float) -> Tensor:
    """Return min(exp(sharpness (Q - V)), ceiling): better than usual counts more. Shape (B,)."""
    return torch.exp(sharpness * (q - v)).clamp_max(ceiling)


def safety_weight(q: Tensor, v: Tensor, sharpness: float, ceiling: float) -> Tensor:
    """Return 1[Q < V] min(exp(sharpness (V - Q)), ceiling), of costs: what is safer than usual.

    Shape (B,).
    """
    return torch.exp(sharpness * (v - q)).clamp_max(ceiling) * (q < v)


def reach_target(cost: Tensor, following: Tensor, gamma: float) -> Tensor:
    """Return (1 - gamma) c + gamma max(c, V(s')): the worst cost still to come.

    The discounted Hamilton-Jacobi backup (Fisac et al. 2019, arXiv 1812.05189), as in FISOR.
    """
    return (1.0 - gamma) * cost + gamma * torch.maximum(cost, following)
