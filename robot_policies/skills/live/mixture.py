"""Skills that act together, and how much of each does in a state.

Letters: `k` skills.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from robot_policies.interface import JointLimits
from robot_policies.interface.limits import intersect
from robot_policies.skills.live.familiarity import Familiarity
from robot_policies.skills.mixing.layers import SkillStack
from robot_policies.skills.mixing.mixer import LayerRouter
from robot_policies.skills.mixing.skill_router import SkillRouter

LIMIT = 4.0  # largest weight, either way; a router's are cut to it, fixed ones refused [own]


@dataclass(frozen=True, eq=False)
class SkillMixture:
    """Skills, checked and stacked, with their weighting.

    Attributes:
        names: Of the skills.
        digests: Of their cards: a skill is the same only if this is.
        stack: Their mixing layers.
        weights: Fixed weights, or how much of what `router` says. Shape (k,).
        familiarity: How far a state is from those they were trained in.
        router: Reads the weights from the observation instead.
        layer_router: Chooses weights layer by layer.
        fallback: Skill that acts where no other was trained; empty for the base.
        limits: Of each skill.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    stack: SkillStack
    weights: Tensor
    familiarity: Familiarity
    router: SkillRouter | None = None
    layer_router: LayerRouter | None = None
    fallback: str = ""
    limits: tuple[JointLimits, ...] = ()

    def kept_in(self, other: "SkillMixture") -> Tensor:
        """Return which skills go on acting in another mixture. Shape (k,)."""
        same = (self.layer_router is None) == (other.layer_router is None)
        kept = [same and digest in other.digests for digest in self.digests]
        return torch.tensor(kept, dtype=torch.bool)

    def weigh(self, batch: Mapping[str, Any]) -> Tensor:
        """Return what the weights should be for a normalised observation. Shape (k,)."""
        weights = self.weights if self.router is None else self.router.read(batch)[0].cpu()
        share = self.familiarity.share(batch, weights)
        weights = weights * share
        if self.fallback:
            weights[self.names.index(self.fallback)] += 1.0 - share
        return weights.clamp(-LIMIT, LIMIT)  # NaN stays, and is refused later

    def limit(self, weights: Tensor) -> JointLimits:
        """Return what the skills that have a weight hold the robot to."""
        acting = zip(self.limits, weights.tolist(), strict=True)
        return reduce(intersect, [limits for limits, weight in acting if weight], {})


class SharedRouter:
    """A router of which only a share of each skill acts, while skills come and go.

    Attributes:
        share: Shape (k,).
    """

    def __init__(self, router: LayerRouter) -> None:
        """Begin with nothing."""
        self._router = router
        self.share = torch.zeros(0)

    def weights(self, layer: str, inputs: Tensor) -> Tensor:
        """Return the weights of every skill. (..., in) -> (..., k)."""
        weights = self._router.weights(layer, inputs)
        return weights * self.share.to(weights)
