"""The elements of a checkpoint's vectors: their names, their units, and the way to SI and back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.calibration import calibration_for
from robot_policies.catalog import load_robot
from robot_policies.interface import ActionKind, ArraySpec, CheckpointError, ConfigError, Gains
from robot_policies.interface.schema import check_keys, vector
from robot_policies.interface.units import PERCENT, to_si

BOUNDS = ("lower", "upper")
GAINS = ("stiffness", "damping")


@dataclass(frozen=True, eq=False)
class Elements:
    """The elements of one vector, in the checkpoint's order.

    Attributes:
        names: Shape (width,).
        written: Unit of each element in the checkpoint.
        units: SI unit of each element.
        scale: SI value of one unit of the checkpoint. Shape (width,).
        offset: SI value of the checkpoint's zero. Shape (width,).
        lower: Least SI values the checkpoint was trained with; `None` if it does not say.
        upper: Greatest, likewise.
    """

    names: tuple[str, ...]
    written: tuple[str, ...]
    units: tuple[str, ...]
    scale: np.ndarray
    offset: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None

    def to_si(self, values: np.ndarray) -> np.ndarray:
        """Convert from the checkpoint's units. Shape (..., width)."""
        return values * self.scale + self.offset

    def from_si(self, values: np.ndarray) -> np.ndarray:
        """Convert to the checkpoint's units. Shape (..., width)."""
        return (values - self.offset) / self.scale

    def spec(self, name: str, dtype: type = np.float32) -> ArraySpec:
        """Return the spec of the vector in SI."""
        shape, kind = (len(self.names),), np.dtype(dtype)
        return ArraySpec(name, shape, kind, self.units, self.names, self.lower, self.upper)


def read_elements(
    entry: Any, width: int, robot: str, where: str, folder: Path, *, bounded: bool = False
) -> Elements:
    """Read `names` and `unit` of one vector.

    Args:
        entry: The entry of `contract.yaml`.
        width: Elements the vector has in `config.json`.
        robot: Name of the robot, whose table says what `%` of a joint's range is.
        where: File and key, for messages.
        folder: Where the file lies, and LeRobot's calibration if a unit needs it.
        bounded: Whether it may also have `lower` and `upper`, in its units.

    Raises:
        CheckpointError: If there are more or fewer names than elements.
        ConfigError: If a key or a unit is missing or unknown, or a bound is none.
    """
    check_keys(entry, ("names", "unit", *(BOUNDS if bounded else ())), where)
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
    calibration = calibration_for(units, folder)
    rows = [
        to_si(name, unit, table, where, calibration)
        for name, unit in zip(names, units, strict=True)
    ]
    *way, si = zip(*rows, strict=True)
    scale, offset = np.array(way[0]), np.array(way[1])
    lower, upper = (
        vector(entry[key], width, f"{where}: {key}") * scale + offset if key in entry else None
        for key in BOUNDS
    )
    if lower is not None and upper is not None and (lower > upper).any():
        raise ConfigError(f"{where}: lower {entry['lower']} exceeds upper {entry['upper']}")
    return Elements(tuple(names), tuple(units), si, scale, offset, lower, upper)


def read_gains(entry: Any, kind: ActionKind, width: int, where: str) -> Gains | None:
    """Read `stiffness` and `damping` of the servo; `None` if nothing is said.

    Args:
        entry: The entry of `contract.yaml`; a number stands for all joints.
        kind: Of the action.
        width: Elements of an action, whose order is that of the gains.
        where: File and key, for messages.

    Raises:
        ConfigError: If a value is missing or below 0, or the action is no joint position.
    """
    if not entry:
        return None
    if kind is not ActionKind.JOINT_POSITION:
        raise ConfigError(f"{where}: an action of kind {kind} has none, only joint_position")
    check_keys(entry, GAINS, where)
    values = {}
    for name in GAINS:
        if name not in entry:
            raise ConfigError(f"{where}: '{name}' is missing")
        values[name] = vector(entry[name], width, f"{where}: {name}")
        if (values[name] < 0.0).any():
            raise ConfigError(f"{where}: {name} {entry[name]} must be >= 0")
    return Gains(**values)
