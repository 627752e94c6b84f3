"""Tensors from safetensors files, and weights into a network: all, of the right shape, finite."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from robot_policies.documents import parse_json
from robot_policies.interface import CheckpointError

PICKLE_STARTS = (b"PK\x03\x04", b"\x80")  # torch.save's archive; a bare pickle
MAX_HEADER = 4 << 20  # bytes; pi0's has 0.1 MB
LENGTH = 8  # bytes before the header, which say how long it is

Shapes = Mapping[str, tuple[int, ...]]


def is_pickle(path: Path) -> bool:
    """Return whether a file is a pickle, whatever its name says.

    The first eight bytes of a safetensors file are a length, which may begin like a pickle; the
    ninth opens its header.
    """
    with path.open("rb") as file:
        start = file.read(LENGTH + 1)
    return start.startswith(PICKLE_STARTS) and start[LENGTH:] != b"{"


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a safetensors file, from its header alone.

    safetensors takes the last of two tensors of one name, and parses headers of 100 MB.

    Raises:
        CheckpointError: If it is a pickle, damaged, or names a tensor twice.
    """
    if is_pickle(path):
        raise CheckpointError(f"{path} is a pickle in disguise; save it with safetensors")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH), "little")
        if length > MAX_HEADER:
            raise CheckpointError(
                f"{path} is damaged or truncated: a header of {length} bytes, at most "
                f"{MAX_HEADER} make sense"
            )
        text = file.read(length)
    try:
        header = parse_json(text.decode())
        header.pop("__metadata__", None)
        return {name: tuple(entry["shape"]) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged or truncated: header: {error}") from None


def read_tensors(path: Path, limit: int | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file.

    Args:
        path: The file.
        limit: How large it may be; `None` where its shapes were checked before. [byte]

    Raises:
        CheckpointError: If it is too large, a pickle or damaged.
    """
    if limit is not None and path.stat().st_size > limit:
        raise CheckpointError(
            f"{path} has {path.stat().st_size} bytes, at most {limit} make sense"
        )
    read_shapes(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or truncated: {error}") from None


def check_shapes(policy: nn.Module, shapes: Shapes, path: Path) -> None:
    """Refuse a file that does not hold exactly the tensors of a network.

    Args:
        policy: The network; it may be without values, on torch's device `meta`.
        shapes: What the file holds.
        path: The file, for messages.

    Raises:
        CheckpointError: Naming the first wrong key.
    """
    expected = policy.state_dict(keep_vars=True)
    # safetensors stores a tensor that two modules share once, under either name.
    stored = {id(expected[name]) for name in shapes if name in expected}
    missing = sorted(
        name
        for name, tensor in expected.items()
        if name not in shapes and not (tensor.numel() and id(tensor) in stored)
    )
    unexpected = sorted(shapes.keys() - expected.keys())
    for what, names in (("lacks", missing), ("has unexpected", unexpected)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise CheckpointError(f"{path} {what} '{names[0]}'{more}; is it of another policy?")
    for name, shape in shapes.items():
        if shape != tuple(expected[name].shape):
            raise CheckpointError(
                f"{path}: '{name}' has shape {shape}, config.json expects "
                f"{tuple(expected[name].shape)}"
            )


def load_weights(policy: nn.Module, path: Path) -> None:
    """Copy the weights into the policy; every key and shape must be the one expected.

    Args:
        policy: The network that `config.json` describes.
        path: A safetensors file.

    Raises:
        CheckpointError: Naming the file and the first wrong key.
    """
    check_shapes(policy, read_shapes(path), path)
    weights = read_tensors(path)
    trained = dict(policy.named_parameters())
    for name, tensor in weights.items():
        if not tensor.is_floating_point():
            continue
        # A buffer may hold infinities, as attention masks do; a weight may not.
        wrong = ~torch.isfinite(tensor) if name in trained else torch.isnan(tensor)
        if wrong.any():
            raise CheckpointError(
                f"{path}: '{name}' has {int(wrong.sum())} NaN or infinite values"
            )
    policy.load_state_dict(weights, strict=False)
