"""Observations in SI to what a network takes, and its answers to actions in SI."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robot_policies.interface import ContractError, Observation
from robot_policies.interface.observation import TASK
from robot_policies.policies.checkpoint import Checkpoint
from robot_policies.policies.contract import Contract
from robot_policies.policies.pipelines import is_linear, without_idle_steps
from robot_policies.policies.specs import Specs

UINT8_MAX = 255.0  # LeRobot's images are floats in [0, 1]


class Translation:
    """The pipelines of a checkpoint, and around them the units of its contract."""

    def __init__(
        self, checkpoint: Checkpoint, contract: Contract, specs: Specs, name: str, device: str
    ) -> None:
        """Leave out the steps that would do nothing; the name is for messages."""
        self._name, self._device = name, device
        self._before = without_idle_steps(checkpoint.preprocessor)
        self._after = without_idle_steps(checkpoint.postprocessor)
        self._elements, self._action = contract.observation, contract.action
        self._needed, self._horizon = specs.observation, specs.action.horizon

    @property
    def is_linear(self) -> bool:
        """Whether each element of all vectors is scaled and shifted, and nothing else happens."""
        vectors = set(self._needed) == set(self._elements)
        return vectors and is_linear(self._before) and is_linear(self._after)

    def reset(self) -> None:
        """Forget the episode."""
        self._before.reset()
        self._after.reset()

    def prepare(self, observation: Observation) -> dict[str, Any]:
        """Return what the network takes."""
        return self._before(self._batch(observation))

    def finish(self, action: Tensor) -> np.ndarray:
        """Return what the network says in SI. (1, T, A) -> (T, A).

        Raises:
            ContractError: If it is of another width than the contract's.
        """
        values = self._after(action)[0].double().cpu().numpy()
        width = len(self._action.names)
        if values.ndim != 2 or values.shape[1] != width:
            raise ContractError(
                f"{self._name}: the network answered with shape {values.shape}, expected "
                f"(rows, {width})"
            )
        return self._action.to_si(values[: self._horizon])

    def _batch(self, observation: Observation) -> dict[str, Tensor | list[str]]:
        """Return LeRobot's batch of one: vectors (1, n), images (1, 3, H, W) in [0, 1]."""
        batch: dict[str, Tensor | list[str]] = {}
        for name in self._needed:
            array = np.asarray(observation[name])
            if name in self._elements:
                array = self._elements[name].from_si(array)
                batch[name] = torch.tensor(array, dtype=torch.float32).unsqueeze(0)
            elif array.dtype == np.uint8:
                # A quarter of the bytes of floats goes to the device.
                pixels = torch.tensor(array, device=self._device).permute(2, 0, 1).contiguous()
                batch[name] = pixels.unsqueeze(0).float().div_(UINT8_MAX)
            else:
                batch[name] = torch.tensor(array, dtype=torch.float32).unsqueeze(0)
        if self._needed.needs_task:
            batch[TASK] = [str(observation[TASK])]
        return batch


class Batch(Mapping[str, Any]):
    """What a network takes, made when somebody looks."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        """Remember how."""
        self._make = make

    @cached_property
    def _made(self) -> dict[str, Any]:
        return self._make()

    def __getitem__(self, name: str) -> Any:
        """Return one entry."""
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over names."""
        return iter(self._made)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._made)
