"""The elements of a checkpoint's vectors: their names, their units, and the way to SI and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.interface import ArraySpec, CheckpointError, ConfigError
from robot_policies.interface.schema import check_keys
from robot_policies.interface.units import PERCENT, to_si


@dataclass(frozen=True, eq=False)
class Elements:
    """The elements of one vector, in the checkpoint's order.

    Attributes:
        names: Shape (width,).
        said: Unit of each element in the checkpoint.
        units: SI unit of each element.
        scale: SI value of one unit of the checkpoint. Shape (width,).
        offset: SI value of the checkpoint's zero. Shape (width,).
    """

    names: tuple[str, ...]
    said: tuple[str, ...]
    units: tuple[str, ...]
    scale: np.ndarray
    offset: np.ndarray

    def to_si(self, values: np.ndarray) -> np.ndarray:
        """Convert from the checkpoint's units. Shape (..., width)."""
        return values * self.scale + self.offset

    def from_si(self, values: np.ndarray) -> np.ndarray:
        """Convert to the checkpoint's units. Shape (..., width)."""
        return (values - self.offset) / self.scale

    def spec(self, name: str, dtype: type = np.float32) -> ArraySpec:
        """Return the spec of the vector in SI."""
        return ArraySpec(name, (len(self.names),), np.dtype(dtype), self.units, self.names)


def read_elements(entry: Any, width: int, robot: str, where: str) -> Elements:
    """Read `names` and `unit` of one vector.

    Args:
        entry: The entry of `contract.yaml`.
        width: Elements the vector has in `config.json`.
        robot: Name of the robot, whose table says what `%` of a joint's range is.
        where: File and key, for messages.

    Raises:
        CheckpointError: If there are more or fewer names than elements.
        ConfigError: If a key or a unit is missing or unknown.
    """
    check_keys(entry, ("names", "unit"), where)
    for key in ("names", "unit"):
        if key not in entry:
            raise ConfigError(f"{where}: '{key}' is missing")
    names, units = entry["names"], entry["unit"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{where}: names must be a list of texts, got {names!r}")
    if len(names) != width:
        raise CheckpointError(
            f"{where}: {len(names)} names {names}, but config.json has width {width}"
        )
    units = [units] * width if isinstance(units, str) else units
    if not isinstance(units, list) or len(units) != width:
        raise ConfigError(f"{where}: unit must be one text or {width} of them, got {units!r}")
    table = load_robot(robot) if PERCENT in units else None
    rows = [to_si(name, unit, table, where) for name, unit in zip(names, units, strict=True)]
    scale, offset, si = zip(*rows, strict=True)
    return Elements(tuple(names), tuple(units), si, np.array(scale), np.array(offset))
