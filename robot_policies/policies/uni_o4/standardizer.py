"""Numbers in units of how much they vary in the training data."""

import torch
from torch import Tensor, nn

SMALLEST_STD = 1e-2  # of an input; one that hardly changes would otherwise be noise, amplified


class Standardizer(nn.Module):
    """Inputs to zero mean and unit deviation, as measured on the training data."""

    mean: Tensor
    std: Tensor

    def __init__(self, width: int, least: float = SMALLEST_STD) -> None:
        """Start as the identity.

        Args:
            width: Of the values.
            least: Deviation that smaller ones are taken for.
        """
        super().__init__()
        self.least = least
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    @torch.no_grad()
    def fit(self, values: Tensor) -> None:
        """Measure. Shape (N, width)."""
        self.mean.copy_(values.mean(0))
        self.std.copy_(values.std(0).clamp(min=self.least))

    def forward(self, values: Tensor) -> Tensor:
        """Return the standardised values."""
        return (values - self.mean) / self.std
