"""`contract.yaml`: which joints, units and moments a checkpoint speaks of.

LeRobot's `config.json` says how wide a feature is, and not what its elements are. This file says
it, beside the checkpoint:

    robot: go1
    dt: 0.02                      # s between two actions
    task: false                   # whether the policy reads an instruction; may be left out
    executor: splice              # how its chunks are merged: open_loop if left out
    observation:                  # one entry per feature that is a vector; images need none
      observation.state: {names: [FR_hip_joint.pos, FR_hip_joint.vel], unit: [rad, rad/s]}
    action: {kind: joint_position, names: [FR_hip_joint], unit: rad}

Units are those of the training data. `deg` and `deg/s` are converted to SI, and `%` of a joint's
range (LeRobot's gripper) to the joint's unit by the robot's table: once, here, both ways.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.documents import read_yaml
from robot_policies.interface import (
    EXECUTOR_MODES,
    ActionKind,
    ArraySpec,
    CheckpointError,
    ConfigError,
    ExecutorMode,
    UnknownNameError,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.schema import build, check_keys
from robot_policies.interface.units import PERCENT, to_si

FILE = "contract.yaml"


@dataclass(frozen=True, eq=False)
class Elements:
    """The elements of one vector, in the checkpoint's order.

    Attributes:
        names: Shape (width,).
        units: SI unit of each element.
        scale: SI value of one unit of the checkpoint. Shape (width,).
        offset: SI value of the checkpoint's zero. Shape (width,).
    """

    names: tuple[str, ...]
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


@dataclass(frozen=True, eq=False)
class Contract:
    """What `contract.yaml` says.

    Attributes:
        robot: Robot the checkpoint was trained for.
        dt: Time between two actions. [s]
        kind: What the elements of an action are.
        action: Elements of an action.
        observation: Elements of each feature that is a vector.
        task: Whether the policy reads an instruction.
        executor: How its chunks are merged.
    """

    robot: str
    dt: float
    kind: ActionKind
    action: Elements
    observation: Mapping[str, Elements]
    task: bool
    executor: ExecutorMode


@dataclass(frozen=True)
class _File:
    robot: str
    dt: float
    action: Mapping[str, Any]
    observation: Mapping[str, Any] = field(default_factory=dict)
    task: bool = False
    executor: ExecutorMode = "open_loop"

    def __post_init__(self) -> None:
        """Refuse a step that takes no time, and an executor there is not."""
        if self.executor not in EXECUTOR_MODES:
            raise UnknownNameError("executor", str(self.executor), EXECUTOR_MODES, FILE)
        if not (isinstance(self.dt, int | float) and 0.0 < self.dt < np.inf):
            raise ConfigError(f"dt {self.dt!r} must be a number of seconds > 0")


def read_contract(path: Path, vectors: Mapping[str, int], action_width: int) -> Contract:
    """Read `contract.yaml` and hold it against the checkpoint's configuration.

    Args:
        path: The file.
        vectors: Width of each feature that is a vector, as `config.json` has it.
        action_width: Width of an action, likewise.

    Raises:
        CheckpointError: If the file is missing, or names more or fewer elements than there are.
        ConfigError: If the file has an unknown key or unit.
    """
    if not path.is_file():
        features = ", ".join(
            f"{name}: {{names: [{width} names], unit: rad}}" for name, width in vectors.items()
        )
        raise CheckpointError(
            f"{path} is missing, and LeRobot's config.json names no joints. Write it: "
            f"robot: NAME, dt: SECONDS, observation: {{{features}}}, action: "
            f"{{kind: joint_position, names: [{action_width} joints], unit: rad}}"
            " (unit: deg and % are converted)"
        )
    where, data = _read(path)
    for name in data.observation:
        if name not in vectors:
            raise CheckpointError(
                f"{where}: config.json has no vector '{name}'.{suggestion(name, vectors)}"
            )
    elements = {}
    for name, width in vectors.items():
        if name not in data.observation:
            raise CheckpointError(
                f"{where}: observation lacks '{name}': its {width} elements need names and units"
            )
        elements[name] = _elements(
            data.observation[name], width, data.robot, f"{where}: observation.{name}"
        )
    action = dict(data.action)
    kind = action.pop("kind", ActionKind.JOINT_POSITION)
    if kind not in list(ActionKind):
        kinds = [str(known) for known in ActionKind]
        raise ConfigError(f"{where}: action: no kind '{kind}'.{suggestion(str(kind), kinds)}")
    return Contract(
        robot=data.robot,
        dt=float(data.dt),
        kind=ActionKind(kind),
        action=_elements(action, action_width, data.robot, f"{where}: action"),
        observation=elements,
        task=data.task,
        executor=data.executor,
    )


def read_executor(path: Path) -> ExecutorMode:
    """Read from `contract.yaml` how the chunks of a checkpoint are merged, and nothing else.

    Raises:
        CheckpointError: If the file is missing.
        ConfigError: If the file has an unknown key.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is missing, and nothing else says how to merge its chunks")
    return _read(path)[1].executor


def _read(path: Path) -> tuple[str, _File]:
    where = f"{path.parent.name}/{path.name}"
    return where, build(_File, read_yaml(path), where)


def _elements(entry: Any, width: int, robot: str, where: str) -> Elements:
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
    return Elements(tuple(names), si, np.array(scale), np.array(offset))
