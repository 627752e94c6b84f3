"""Moving averages of weights."""

from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def follow(slow: Iterable[Tensor], fast: Iterable[Tensor], rate: float) -> None:
    """Move averages towards weights, slow += rate (fast - slow).

    Args:
        slow: The averages.
        fast: As many weights, in the same order.
        rate: 1 copies them.
    """
    for mean, value in zip(slow, fast, strict=True):
        mean.lerp_(value, rate)


def early_rate(rate: float, step: int) -> float:
    """Return a rate that is at least 9 / (10 + step): early on, an average would stay random.

    Args:
        rate: The rate after that.
        step: Steps taken before.
    """
    return max(rate, 9.0 / (10.0 + step))
