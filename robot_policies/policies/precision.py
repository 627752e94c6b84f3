"""Half precision: a network's products in 16 bits, as torch's autocast chooses them.

Weights stay as they are; observations, statistics and actions are those of full precision.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.policies.files import one_line

AUTO, FULL = "auto", "float32"
HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}
DTYPES = (AUTO, FULL, *HALF)


def find_half(name: str, device: str, mixed: bool) -> torch.dtype | None:
    """Return the 16 bits that a network computes in; `None` for full precision.

    Args:
        name: `float32`, `bfloat16`, `float16`; or `auto`, LeRobot's way: float16 on a GPU of
            NVIDIA's for a checkpoint that was trained so.
        device: Torch device the network answers on.
        mixed: Whether the checkpoint was trained so: `use_amp` of its `config.json`.

    Raises:
        ConfigError: If there is no such precision, or the device does not have it.
    """
    if name not in DTYPES:
        raise ConfigError(f"no dtype '{name}'.{suggestion(name, DTYPES)}")
    if name == AUTO:
        return torch.float16 if mixed and device.startswith("cuda") else None
    if name == FULL:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns, and computes in full precision
        try:
            torch.autocast(device.partition(":")[0], HALF[name])
        except (RuntimeError, Warning) as error:
            raise ConfigError(
                f"device '{device}' does not compute in {name}: {one_line(error)}"
            ) from None
    return HALF[name]


def computing(half: torch.dtype | None, device: str) -> torch.autocast:
    """Return the context in which torch computes in `half` on a device."""
    return torch.autocast(torch.device(device).type, half, enabled=half is not None)


@contextmanager
def refusing(who: str, half: torch.dtype) -> Iterator[None]:
    """Say in one line that a network does not answer in half precision.

    Args:
        who: The policy.
        half: What it was asked to compute in.

    Raises:
        CheckpointError: In place of torch's error, or of an answer that is no number.
    """
    try:
        yield
    except (RuntimeError, TypeError, ArithmeticError) as error:
        dtype = str(half).removeprefix("torch.")
        raise CheckpointError(
            f"{who} does not answer in {dtype}: {one_line(error)}; leave out dtype, or say {FULL}"
        ) from None
