"""Randomness of a training step that depends on the run's seed and the step alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def noise_of_step(step: Tensor) -> Iterator[None]:
    """Draw noise and dropout from the seed and the step.

    LeRobot restores the random state on resuming and then draws from it once more, for the data
    loader; without this, a resumed run would see other noise than one that was never stopped.

    Args:
        step: Steps done so far, on the device the noise is drawn on. Scalar.
    """
    devices = [step.device] if step.is_cuda else []
    with torch.random.fork_rng(devices):
        torch.manual_seed((torch.initial_seed() + int(step)) % 2**63)
        yield
