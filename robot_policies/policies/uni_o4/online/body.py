"""What lies between a learner and what it moves: features to observations, actions to commands.

It is the same in training as in deployment, so that nothing differs between the two.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from robot_policies.policies.uni_o4.memory import REMEMBERED
from robot_policies.policies.uni_o4.modeling_uni_o4 import UniO4Policy
from robot_policies.policies.uni_o4.processor_uni_o4 import make_uni_o4_pre_post_processors

Features = Mapping[str, np.ndarray]


class Body(Protocol):
    """Of `N` robots; letters as in `modeling_uni_o4`."""

    def observe(self, features: Features) -> Tensor:
        """Take in the newest features and return the observations. Shape (N, W)."""
        ...

    def peek(self, features: Features) -> Tensor:
        """Return what `observe` would, remembering nothing. Shape (N, W)."""
        ...

    def execute(self, action: Tensor) -> Tensor:
        """Return what is done, and remembered, when a policy says `action`. Shape (N, J)."""
        ...

    def command(self, executed: Tensor) -> np.ndarray:
        """Return it in the units of the environment. Shape (N, J)."""
        ...

    def forget(self, done: Tensor | None = None) -> None:
        """Forget the episodes where `done` (N,) is true, or all."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that is remembered."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue where `state` was taken."""
        ...


class WalkBody:
    """The processors and the memory of the quadruped policy."""

    def __init__(self, policy: UniO4Policy) -> None:
        """Use the policy's own memory."""
        self.memory = policy.memory
        self._preprocess, self._postprocess = make_uni_o4_pre_post_processors(policy.config)

    def observe(self, features: Features) -> Tensor:
        """See `Body`."""
        return self.memory.observe(self._preprocess(_tensors(features)))

    def peek(self, features: Features) -> Tensor:
        """See `Body`."""
        return self.memory.peek(self._preprocess(_tensors(features)))

    def execute(self, action: Tensor) -> Tensor:
        """Return the nearest action within the robot's limits. Shape (N, J)."""
        return self.memory.act(action)

    def command(self, executed: Tensor) -> np.ndarray:
        """Return joint targets. Shape (N, J). [rad]"""  # noqa: D415
        return self._postprocess(executed).numpy()

    def forget(self, done: Tensor | None = None) -> None:
        """See `Body`."""
        self.memory.reset(done)

    def state(self) -> dict[str, Tensor]:
        """See `Body`."""
        return {name: getattr(self.memory, name) for name in REMEMBERED}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """See `Body`."""
        for name in REMEMBERED:
            setattr(self.memory, name, state[name])


def _tensors(features: Features) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.asarray(array)) for name, array in features.items()}
