"""Arrow: weights without training, from what each layer sees (Ostapenko et al. 2405.11157).

A skill's prototype in a layer is the direction it changes most, the first right singular vector
of B A. A layer's input is compared with every prototype, up to sign; the nearest few skills share
a softmax. The default while nobody has trained a router.
"""

import torch
from torch import Tensor

from robot_policies.interface import ConfigError
from robot_policies.skills.mixing.layers import MixingLayer, SkillStack


class ArrowRouter:
    """Weights of each layer, from its input and the skills' prototypes."""

    def __init__(self, stack: SkillStack, top: int = 3, temperature: float = 1.0) -> None:
        """Compute the prototypes.

        Args:
            stack: The skills.
            top: Skills that share the weight; all if there are fewer.
            temperature: Of the softmax.

        Raises:
            ConfigError: If there is nothing to choose from.
        """
        if not stack.names or top < 1 or not temperature > 0.0:
            raise ConfigError(
                f"arrow: {len(stack.names)} skills, top {top}, temperature {temperature}; each "
                "must be > 0"
            )
        self.top, self.temperature = min(top, len(stack.names)), temperature
        self._prototypes = {
            name: _prototypes(layer, len(stack.names)) for name, layer in stack.items()
        }

    def weights(self, layer: str, inputs: Tensor) -> Tensor:
        """Return the weights. (..., in) -> (..., k); they sum to 1, all but `top` are 0."""
        prototypes, absent = self._prototypes[layer]
        likeness = (inputs @ prototypes.T).abs().masked_fill(absent, float("-inf"))
        value, index = likeness.topk(min(self.top, int((~absent).sum())), dim=-1)
        share = torch.softmax(value / self.temperature, dim=-1)
        return torch.zeros_like(likeness).scatter(-1, index, share)


@torch.no_grad()
def _prototypes(layer: MixingLayer, skills: int) -> tuple[Tensor, Tensor]:
    """Return unit vectors (k, in), and which skills leave the layer alone (k,)."""
    vectors = torch.zeros(skills, layer.down.shape[1], dtype=torch.float64)
    absent = torch.ones(skills, dtype=torch.bool)
    for skill in layer.owner.unique().tolist():
        mine = layer.owner == skill
        down, up = layer.down[mine].double().cpu(), layer.up[mine].T.double().cpu()
        # B A = Q_B (R_B R_A^T) Q_A^T: the singular vectors of a small matrix, exactly.
        basis, upper = torch.linalg.qr(down.T)
        small = torch.linalg.qr(up).R @ upper.T
        vectors[skill] = basis @ torch.linalg.svd(small).Vh[0]
        absent[skill] = False
    return vectors.to(layer.down), absent.to(layer.down.device)
