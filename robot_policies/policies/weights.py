"""Weights from safetensors into a network: all of them, of the right shape, finite."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from robot_policies.interface import CheckpointError

PICKLE_STARTS = (b"PK\x03\x04", b"\x80")  # torch.save's archive; a bare pickle


def is_pickle(path: Path) -> bool:
    """Return whether a file is a pickle, whatever its name says.

    The first eight bytes of a safetensors file are a length, which may begin like a pickle; the
    ninth opens its header.
    """
    with path.open("rb") as file:
        start = file.read(9)
    return start.startswith(PICKLE_STARTS) and start[8:] != b"{"


def load_weights(policy: nn.Module, path: Path) -> None:
    """Copy the weights into the policy; every key and shape must be the one expected.

    Args:
        policy: The network that `config.json` describes.
        path: A safetensors file.

    Raises:
        CheckpointError: Naming the file and the first wrong key.
    """
    if is_pickle(path):
        raise CheckpointError(f"{path} is a pickle in disguise; save it with safetensors")
    try:
        with safe_open(path, framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or truncated: {error}") from None
    expected = policy.state_dict()
    # safetensors stores a tensor that two modules share once, under either name.
    stored = {expected[name].data_ptr() for name in weights if name in expected}
    missing = sorted(
        name
        for name, tensor in expected.items()
        if name not in weights and not (tensor.numel() and tensor.data_ptr() in stored)
    )
    unexpected = sorted(weights.keys() - expected.keys())
    for what, names in (("lacks", missing), ("has unexpected", unexpected)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise CheckpointError(f"{path} {what} '{names[0]}'{more}; is it of another policy?")
    trained = dict(policy.named_parameters())
    for name, tensor in weights.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"{path}: '{name}' has shape {tuple(tensor.shape)}, config.json expects "
                f"{tuple(expected[name].shape)}"
            )
        if not tensor.is_floating_point():
            continue
        # A buffer may hold infinities, as attention masks do; a weight may not.
        wrong = ~torch.isfinite(tensor) if name in trained else torch.isnan(tensor)
        if wrong.any():
            raise CheckpointError(
                f"{path}: '{name}' has {int(wrong.sum())} NaN or infinite values"
            )
    policy.load_state_dict(weights, strict=False)
