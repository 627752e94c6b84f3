"""Observations to ask a policy about when no recorded ones are at hand."""

from collections.abc import Callable
from typing import Any

import torch
from lerobot.configs import FeatureType
from lerobot.policies import PreTrainedPolicy
from torch import Tensor

ROWS = 64


def probe(policy: PreTrainedPolicy, rows: int = ROWS, seed: int = 0) -> Callable[[], Tensor]:
    """Return a function that runs a policy on normalised random states, with fixed noise.

    Vectors are drawn from N(0, 1), which is what normalised ones look like; images are grey.

    Args:
        policy: In evaluation mode.
        rows: Number of states.
        seed: Of the states, and of what the policy draws.
    """
    generator = torch.Generator().manual_seed(seed)
    batch: dict[str, Any] = {}
    for name, feature in (policy.config.input_features or {}).items():
        if feature.type is FeatureType.VISUAL:
            batch[name] = torch.full((rows, *feature.shape), 0.5)
        else:
            batch[name] = torch.randn(rows, *feature.shape, generator=generator)

    def respond() -> Tensor:
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            policy.reset()
            return policy.predict_action_chunk(dict(batch))

    return respond
