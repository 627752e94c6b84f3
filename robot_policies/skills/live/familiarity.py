"""How far a state is from those a skill was trained in.

    d_i(s) = sqrt(mean_j ((s_j - mean_ij) / std_ij)^2) / radius_i       j: numbers of s, normalised

The radius is the distance that 99 % of the training states lie within, so that d is 1 at their
edge. A skill that says nothing of its training states is never far: nobody knows.

Letters: `k` skills, `O` observation width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from robot_policies.interface import ConfigError
from robot_policies.skills.package.card import SkillCard

EDGE, GONE = 1.0, 2.0  # skills begin to fade at the one distance, and are gone at the other [own]


class Familiarity:
    """Distances of a state from the training states of some skills."""

    def __init__(self, cards: Sequence[SkillCard], features: Mapping[str, int]) -> None:
        """Take what the cards say.

        Args:
            cards: Of the skills.
            features: Vectors of the observation in the base's order, and the width of each.

        Raises:
            ConfigError: If a card speaks of another width.
        """
        width = sum(features.values())
        self._features = tuple(features)
        mean, scale = torch.zeros(len(cards), width), torch.zeros(len(cards), width)
        for row, card in enumerate(cards):
            training = card.training
            if not training.state_distance:
                continue
            if len(training.state_mean) != width:
                raise ConfigError(
                    f"skill '{card.name}': training.state_mean has "
                    f"{len(training.state_mean)} values, the base observes {width}"
                )
            mean[row] = torch.tensor(training.state_mean)
            scale[row] = 1.0 / (
                torch.tensor(training.state_std) * training.state_distance * width**0.5
            )
        self.known = scale.any(dim=1).tolist()  # which skills say something
        self._mean, self._scale = mean, scale

    def distances(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the distance of one normalised observation from each skill's states. (k,)."""
        state = torch.cat([batch[name] for name in self._features], dim=-1).cpu()  # (1, O)
        return ((state - self._mean) * self._scale).norm(dim=1)

    def share(self, batch: Mapping[str, Any], weights: Tensor) -> Tensor:
        """Return how much of some skills should act in a state: 1 near, 0 far from all of them.

        Args:
            batch: The normalised observation, of one moment.
            weights: Of the skills; those of weight 0 vouch for no state. Shape (k,).
        """
        act = weights != 0.0
        if not any(self.known) or not act.any():
            return torch.ones(())
        nearest = self.distances(batch)[act].min()  # NaN stays NaN
        return ((GONE - nearest) / (GONE - EDGE)).clamp(0.0, 1.0)
