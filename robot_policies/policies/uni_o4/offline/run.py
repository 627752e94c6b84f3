"""A run of the offline stage: its phases, its networks, and what its state is checked by.

Phases follow each other as `STAGES` says for the method. The state on disk names the data and the
numbers it was made from, so what was learned from other data is never reused.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from robot_policies.policies.uni_o4.data.transitions import Transitions
from robot_policies.policies.uni_o4.offline.baselines import AdvantageWeighted, Td3BcFit
from robot_policies.policies.uni_o4.offline.critics import Critics
from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.offline.stage import Networks, Stage
from robot_policies.policies.uni_o4.offline.stages import (
    Behavior,
    CriticFit,
    Improvement,
    ModelFit,
)
from robot_policies.policies.uni_o4.offline.transition_model import TransitionModel
from robot_policies.policies.uni_o4.spaces import Space

STAGES: Mapping[str, tuple[type[Stage], ...]] = {
    "bc": (Behavior,),
    "iql": (Behavior, CriticFit, AdvantageWeighted),
    "td3_bc": (Behavior, CriticFit, Td3BcFit),
    "bppo": (Behavior, CriticFit, Improvement),
    "uni_o4": (Behavior, CriticFit, ModelFit, Improvement),
}


@dataclass
class OfflineRun:
    """One run: what is learned, how far it is, what came out.

    Attributes:
        networks: What is learned.
        seed: Of weights and noise.
        digest: Of the data.
        stage: The present phase; made by `begin`.
        index: Its number.
        result: What is known at the end: `chosen`, `scores` (AM-Q) and those before the
            improvement, `checks`, `seconds` per phase.
    """

    networks: Networks
    seed: int
    digest: str
    index: int = 0
    result: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Stand before the first phase."""
        self.begin(0)

    @property
    def settings(self) -> OfflineSettings:
        """Numbers of the run."""
        return self.networks.settings

    def begin(self, index: int) -> None:
        """Stand before phase `index`."""
        self.index = index
        self.stage: Stage = STAGES[self.settings.method][index](self.networks)

    def identity(self) -> dict[str, Any]:
        """Return what must be the same for a state to be continued."""
        settings = json.loads(json.dumps(asdict(self.settings)))
        return {"data": self.digest, "seed": self.seed, "settings": settings}

    @property
    def policy(self) -> nn.Module:
        """The policy that would be handed on now."""
        return self.stage.policies[self.result.get("chosen", 0)]


def prepare(
    data: Transitions,
    space: Space,
    actor: Callable[[], nn.Module],
    value: Callable[[], nn.Module],
    settings: OfflineSettings,
    seed: int = 0,
) -> OfflineRun:
    """Make every network of a run.

    Args:
        data: What is learned from.
        space: Its task.
        actor: Makes a member; copies of a policy, or fresh ones.
        value: Makes the V to start from.
        settings: Numbers.
        seed: Seeds weights and noise.
    """
    torch.manual_seed(seed)
    policies = nn.ModuleList(actor() for _ in range(settings.count))
    networks = Networks(
        policies,
        Critics(space.width, space.action_width, value(), settings, data.privileged),
        TransitionModel(space, settings),
        space,
        data,
        data.tensors(),
        settings,
    )
    return OfflineRun(networks, seed, data.digest)
