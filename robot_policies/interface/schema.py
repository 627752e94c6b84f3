"""Dataclasses from plain mappings, refusing what a typo would otherwise hide.

Every YAML file of the package becomes a dataclass through `build`: an unknown key, a missing key
or a value of the wrong type is one line that names the file, the key and the nearest valid one.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

import numpy as np

from robot_policies.interface.errors import ConfigError, suggestion

T = TypeVar("T")


def build[T](cls: type[T], data: Any, where: str, **given: Any) -> T:
    """Make a dataclass from a mapping.

    Args:
        cls: The dataclass; its own `__post_init__` checks the values.
        data: The mapping, keys as the dataclass's fields.
        where: File and path in it, for messages.
        **given: Fields the caller has converted already; the mapping must not repeat them.

    Raises:
        ConfigError: On an unknown, missing or invalid entry.
    """
    known = {f.name: f for f in fields(cls) if f.init}  # pyright: ignore[reportArgumentType]
    check_keys(data, known.keys() - given.keys(), where)
    for name, spec in known.items():
        optional = spec.default is not MISSING or spec.default_factory is not MISSING
        if name not in data and name not in given and not optional:
            raise ConfigError(f"{where}: '{name}' is missing")
    try:
        return cls(**data, **given)
    except (TypeError, ValueError, ConfigError) as error:
        raise ConfigError(f"{where}: {error}") from None


def check_keys(data: Any, allowed: Any, where: str) -> None:
    """Refuse anything but a mapping with known keys.

    Raises:
        ConfigError: Naming the unknown key and the nearest valid one.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected a mapping, got {data!r}")
    for key in data:
        if key not in allowed:
            raise ConfigError(f"{where}: unknown key '{key}'.{suggestion(str(key), allowed)}")


def vector(value: Any, width: int, where: str) -> np.ndarray:
    """Return a finite float vector; a scalar is repeated.

    Raises:
        ConfigError: If the value is not numeric, not finite, or of another length.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: expected numbers, got {value!r}") from None
    if array.ndim == 0:
        array = np.full(width, array)
    if array.shape != (width,) or not np.isfinite(array).all():
        raise ConfigError(f"{where}: expected {width} finite numbers, got {value!r}")
    array.setflags(write=False)
    return array
