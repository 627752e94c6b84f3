"""One observation answered with NumPy alone, where a policy can.

A small network computes for 0.1 ms, and torch and LeRobot's pipelines take ten times as long to
be called around it, on a core that has slept since the last step. A policy that offers `on_arrays`
is called without them. What the pipelines and the contract's units do to each element is then one
gain and one offset, found by asking them; nothing is said twice.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from robot_policies.interface import Observation, ObservationSpec

Answer = Callable[[Mapping[str, np.ndarray]], np.ndarray]


@runtime_checkable
class OnArrays(Protocol):
    """What a policy may offer beside LeRobot's methods."""

    def on_arrays(self) -> Answer | None:
        """Return `select_action` on NumPy's arrays, `None` if it cannot be had as configured.

        It takes and returns what that does, for a batch of one on the CPU, with the same memory
        and the same weights: either may answer the next observation.
        """
        ...


class NumpyInference:
    """Answers one observation, in SI on both sides."""

    def __init__(
        self,
        answer: Answer,
        spec: ObservationSpec,
        prepare: Callable[[Observation], Mapping[str, Any]],
        finish: Callable[[Tensor], np.ndarray],
        width: int,
    ) -> None:
        """Find out what happens to each element before and after the network.

        Args:
            answer: The network.
            spec: Its features, all of them vectors.
            prepare: From an observation to the network's batch, each element for itself linear.
            finish: From the network's answer (1, 1, width) to SI (1, width), likewise.
            width: Elements of an action.
        """
        self._answer = answer
        zero, one = (prepare(_filled(spec, value)) for value in (0.0, 1.0))
        self._before = {name: _line(zero[name].numpy(), one[name].numpy()) for name in spec}
        shape = (1, 1, width)
        self._gain, self._offset = _line(finish(torch.zeros(shape)), finish(torch.ones(shape)))

    def __call__(self, observation: Observation) -> np.ndarray:
        """Return the action as a chunk of one row. Shape (1, width)."""
        batch = {
            name: np.asarray(observation[name]) * gain + offset
            for name, (gain, offset) in self._before.items()
        }
        return self._answer(batch) * self._gain + self._offset


def _filled(spec: ObservationSpec, value: float) -> Observation:
    arrays = {name: np.full(len(array.names), value, array.dtype) for name, array in spec.items()}
    return Observation(arrays, dict.fromkeys(arrays, 0.0))


def _line(at_zero: np.ndarray, at_one: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return at_one - at_zero, at_zero
