"""The context-aware router alpha(s): one weight per skill, from the observation.

After PSEC's code: two layers of 256 with ReLU and a linear output, without softmax and without
bound, so that a skill may be taken more than once or turned round.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from robot_policies.interface import ContractError


class SkillRouter(nn.Module):
    """Weights of k skills for an observation.

    Attributes:
        features: Normalised features it reads, after each other, and the width of each.
    """

    def __init__(self, features: Mapping[str, int], skills: int, hidden: int = 256) -> None:
        """Make the layers; every weight is 0 until it is trained or `start_at` is called.

        Args:
            features: Names and widths of the features.
            skills: Number of weights.
            hidden: Width of the two layers.
        """
        super().__init__()
        self.features = dict(features)
        self.trunk = nn.Sequential(
            nn.Linear(sum(features.values()), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
        )
        self.output = nn.Linear(hidden, skills)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    @torch.no_grad()
    def start_at(self, weights: Sequence[float]) -> "SkillRouter":
        """Begin with the same weights everywhere."""
        self.output.bias.copy_(torch.tensor(weights))
        return self

    def forward(self, observation: Tensor) -> Tensor:
        """Return the weights. (B, O) -> (B, k)."""
        return self.output(self.trunk(observation))

    def read(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the weights for a normalised batch. Shape (B, k).

        Raises:
            ContractError: If a feature is missing.
        """
        missing = [name for name in self.features if name not in batch]
        if missing:
            raise ContractError(f"the router reads '{missing[0]}', which is not observed")
        return self(torch.cat([batch[name] for name in self.features], dim=-1))

    def with_skill(self) -> "SkillRouter":
        """Return a router for one skill more, which gets weight 0 everywhere until trained."""
        return self._rows([*range(self.output.out_features), None])

    def without_skill(self, index: int) -> "SkillRouter":
        """Return a router for one skill less; the weights of the others stay what they are."""
        return self._rows([i for i in range(self.output.out_features) if i != index])

    @torch.no_grad()
    def _rows(self, rows: Sequence[int | None]) -> "SkillRouter":
        made = SkillRouter(self.features, len(rows), self.output.in_features)
        made.trunk.load_state_dict(self.trunk.state_dict())
        for new, old in enumerate(rows):
            if old is not None:
                made.output.weight[new] = self.output.weight[old]
                made.output.bias[new] = self.output.bias[old]
        return made.train(self.training)
