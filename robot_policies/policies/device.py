"""The device that a policy answers on: the processor, or a GPU where there is one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion

AUTO = "auto"
FULL = "out of memory", "can't allocate memory"  # as torch says it of a GPU, and of the processor
KNOWN = re.compile(r"cpu|mps|cuda(:\d{1,2})?")


def find_device(name: str) -> str:
    """Return the name of a torch device that is there.

    Args:
        name: `cpu`, `cuda`, `cuda:1`, `mps`; or `auto`, the first GPU, and without one `cpu`.

    Raises:
        ConfigError: Naming the devices that there are.
    """
    there = devices()
    if name == AUTO:
        return there[1] if len(there) > 1 else there[0]
    if not KNOWN.fullmatch(name):
        raise ConfigError(f"no device '{name}'.{suggestion(name, [AUTO, *there])}")
    if name not in there and (name != "cuda" or "cuda:0" not in there):
        raise ConfigError(f"device '{name}' is not there, only {', '.join(there)}")
    return name


def devices() -> list[str]:
    """Return the torch devices of this machine, the processor first."""
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


@contextmanager
def room_on(device: str) -> Iterator[None]:
    """Say in one line that a device is full.

    Raises:
        ConfigError: In place of torch's error, which is many lines.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_full(error):
            raise
        raise ConfigError(f"device '{device}' is full: {str(error).splitlines()[0]}") from None


def is_full(error: Exception) -> bool:
    """Return whether an error of torch's says that a device is full; only CUDA's has a class."""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in FULL)
