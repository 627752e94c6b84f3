"""Messages: msgpack with arrays as openpi's clients write them; numbers and texts, never objects.

An array is a map of `__ndarray__`, `data`, `dtype` and `shape`, with keys of bytes. Only booleans,
integers and floats are read, and nothing is unpickled.

Reference: openpi, `packages/openpi-client/src/openpi_client/msgpack_numpy.py`.
"""

from math import prod
from typing import Any

import msgpack
import numpy as np

from robot_policies.interface import ContractError

ARRAY, SCALAR = b"__ndarray__", b"__npgeneric__"
KINDS = "biuf"  # of NumPy's dtypes
MOST_AXES = 8


def pack(value: Any) -> bytes:
    """Return a message.

    Raises:
        ContractError: If it holds anything but numbers, texts, arrays, maps and lists of these.
    """
    try:
        packed: Any = msgpack.packb(value, default=_encode)
    except (TypeError, ValueError, OverflowError) as error:
        raise ContractError(f"a message cannot hold this: {error}") from None
    return packed


def unpack(message: bytes) -> Any:
    """Return what a message says.

    Raises:
        ContractError: In one line, whatever is wrong with it.
    """
    try:
        return msgpack.unpackb(message, object_hook=_decode, ext_hook=_refuse)
    except ContractError:
        raise
    except Exception as error:  # msgpack has a class for each kind of damage
        text = " ".join(str(error).split()) or type(error).__name__
        raise ContractError(f"a message of {len(message)} bytes is no msgpack: {text}") from None


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in KINDS:
        kind = {b"dtype": value.dtype.str}
        if isinstance(value, np.generic):
            return {SCALAR: True, b"data": value.item(), **kind}
        return {ARRAY: True, b"data": value.tobytes(), **kind, b"shape": value.shape}
    raise TypeError(f"{type(value).__name__} is no number, text or array of numbers")


def _decode(entry: dict[Any, Any]) -> Any:
    if ARRAY not in entry and SCALAR not in entry:
        return entry
    try:
        dtype = np.dtype(entry[b"dtype"])
        if dtype.kind not in KINDS:
            raise ContractError(f"an array of {dtype} is not read, only numbers")
        if SCALAR in entry:
            return dtype.type(entry[b"data"])
        shape, data = tuple(entry[b"shape"]), entry[b"data"]
        whole = all(type(size) is int and size >= 0 for size in shape)
        if not whole or len(shape) > MOST_AXES or prod(shape) * dtype.itemsize != len(data):
            raise ContractError(f"an array of shape {shape} and {dtype} has {len(data)} bytes")
        return np.frombuffer(data, dtype).reshape(shape)
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(f"an array lacks its data, dtype or shape: {error!r}") from None


def _refuse(code: int, data: bytes) -> Any:
    raise ContractError(f"extension {code} of msgpack is not read, only numbers and texts")
