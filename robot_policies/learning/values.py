"""Values that are learned from logged steps: two of an action, and an expectile of them.

Letters: `B` batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class TwinQ(nn.ModuleList):
    """Two action values, made alike and drawn apart by their first weights.

    The worse of the two is believed, for a maximum over noisy values is too good to be true
    (Fujimoto et al. 2018, arXiv 1802.09477, clipped double Q-learning).
    """

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        """Make both; `make` returns a net from a state and an action to a number."""
        super().__init__(make() for _ in range(2))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return both values. (B, state and action) -> (2, B)."""
        return torch.stack([net(inputs).squeeze(-1) for net in self])


def expectile_loss(error: Tensor, expectile: float) -> Tensor:
    """Return the mean of |expectile - 1(error < 0)| error^2. Scalar.

    Eq. 5 of implicit Q-learning (Kostrikov et al. 2021, arXiv 2110.06169).

    Args:
        error: Target minus value. Shape (B,).
        expectile: Above 0.5, values are drawn to the larger targets.
    """
    weight = torch.where(error > 0.0, expectile, 1.0 - expectile)
    return (weight * error.square()).mean()
