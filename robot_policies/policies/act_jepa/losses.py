"""The losses and the collapse measures of ACT-JEPA, as pure functions.

Letters: `B` batch, `T` chunk, `C` width. Masks are true where a step is real, false where the
episode had ended (or, for actions, where nobody recorded any).
"""

import torch
from torch import Tensor


def masked_l1(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the mean absolute error over valid steps and all elements, eq. 1 and 2.

    The paper writes an L1 norm per step; the authors' code takes the mean over elements, which
    keeps the two terms of eq. 3 on one scale, and is followed here. It is a sum divided by a
    count of at least one, so that a batch without a single valid step has loss and gradient 0.

    Args:
        prediction: Shape (B, T, C).
        target: Shape (B, T, C). What stands at invalid steps is not read, NaN included.
        valid: Shape (B, T).
    """
    mask = valid.unsqueeze(-1)
    error = (prediction - target.masked_fill(~mask, 0.0)).abs() * mask
    return error.sum() / (valid.sum() * prediction.shape[-1]).clamp_min(1)


def momentum(step: int, start: float, end: float, total: int) -> float:
    """Return the target encoder's momentum, linear from `start` at 0 to `end` at `total`."""
    return start + (end - start) * min(step / total, 1.0)


def latent_spread(latent: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far the latents are from having collapsed.

    Each step of the chunk is centred on its own mean over the batch: positions alone make the
    steps differ, and would hide a collapse.

    Args:
        latent: Shape (B, T, C).
        valid: Shape (B, T).

    Returns:
        Standard deviation over the batch, averaged over elements; and effective rank, the
        exponential of the entropy of the covariance's spectrum (Roy and Vetterli 2007), 1 to C.
    """
    mask = valid.unsqueeze(-1).to(latent.dtype)
    count = mask.sum(0, keepdim=True).clamp_min(1.0)  # (1, T, 1)
    centred = (latent - (latent * mask).sum(0, keepdim=True) / count) * mask
    flat = centred.flatten(0, 1)  # (B T, C)
    total = mask.sum().clamp_min(1.0)
    deviation = (flat.square().sum(0) / total).sqrt().mean()
    spectrum = torch.linalg.eigvalsh(flat.T @ flat / total).clamp_min(0.0)
    share = spectrum / spectrum.sum().clamp_min(torch.finfo(latent.dtype).tiny)
    return deviation, torch.exp(-torch.special.xlogy(share, share).sum())
