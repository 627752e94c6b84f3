"""`contract.yaml` read, and held against the features of a checkpoint's `config.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot, robots
from robot_policies.documents import read_yaml
from robot_policies.interface import (
    EXECUTOR_MODES,
    ActionKind,
    CheckpointError,
    ConfigError,
    ExecutorMode,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import VELOCITY_COMMAND
from robot_policies.interface.rates import whole_periods
from robot_policies.interface.schema import build, check_keys
from robot_policies.learning.elements import CONTRACT_VERSION
from robot_policies.policies.contract import Contract
from robot_policies.policies.elements import BOUNDS, Elements, read_elements, read_gains

SINCE_2 = ("vocabulary", "max_age", "max_skew", "gains", "network")


@dataclass(frozen=True)
class _File:
    robot: str
    dt: float
    action: Mapping[str, Any]
    observation: Mapping[str, Any] = field(default_factory=dict)
    task: bool = False
    executor: ExecutorMode | None = None
    version: int = 1
    vocabulary: tuple[str, ...] = ()
    max_age: Mapping[str, float] = field(default_factory=dict)
    max_skew: Mapping[str, float] = field(default_factory=dict)
    gains: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a version there is not, a step that takes no time, an unknown executor."""
        if self.version not in range(1, CONTRACT_VERSION + 1) or self.version is True:
            raise ValueError(
                f"version {self.version!r} is not known, only 1 to {CONTRACT_VERSION}; "
                "a newer release may read it"
            )
        if self.version == 1:
            for key in SINCE_2:
                if getattr(self, key):
                    raise ValueError(f"'{key}' needs 'version: {CONTRACT_VERSION}'")
        if self.executor not in (None, *EXECUTOR_MODES):
            raise ValueError(
                f"no executor '{self.executor}'.{suggestion(str(self.executor), EXECUTOR_MODES)}"
            )
        if not (isinstance(self.dt, int | float) and 0.0 < self.dt < np.inf):
            raise ValueError(f"dt {self.dt!r} must be a number of seconds > 0")
        spoken = self.vocabulary
        if not isinstance(spoken, list | tuple) or not all(isinstance(w, str) for w in spoken):
            raise ValueError(f"vocabulary must be a list of words, got {spoken!r}")
        if spoken and not self.task:
            raise ValueError("a vocabulary needs 'task: true': nothing else reads instructions")
        for key in ("observation", "action", "max_age", "max_skew", "gains", "network"):
            if not isinstance(getattr(self, key), Mapping):
                raise ValueError(f"{key}: expected a mapping, got {getattr(self, key)!r}")


def read_contract(
    path: Path,
    vectors: Mapping[str, int],
    action_width: int,
    clouds: tuple[str, ...] = (),
    known: Mapping[str, Any] | None = None,
) -> Contract:
    """Read `contract.yaml` and hold it against the checkpoint's configuration.

    Args:
        path: The file.
        vectors: Width of each feature that is a vector, as `config.json` has it.
        action_width: Width of an action, likewise.
        clouds: Features that are clouds of points, likewise.
        known: Entries of features that the file may leave out.

    Raises:
        CheckpointError: If the file is missing, or names more or fewer elements than there are.
        ConfigError: If the file has an unknown key, unit or version.
    """
    if not path.is_file():
        features = ", ".join(
            f"{name}: {{names: [{width} names], unit: rad}}" for name, width in vectors.items()
        )
        raise CheckpointError(
            f"{path} is missing, and LeRobot's config.json names no joints. Write it with "
            f"'robot-policies contract {path.parent}', or: version: {CONTRACT_VERSION}, "
            f"robot: NAME, dt: SECONDS, observation: {{{features}}}, action: "
            f"{{kind: joint_position, names: [{action_width} joints], unit: rad}}"
            " (unit: deg and % are converted)"
        )
    where, data = _read(path)
    data = replace(data, observation={**(known or {}), **data.observation})
    for name in data.observation:
        if name not in vectors and name not in clouds:
            raise CheckpointError(
                f"{where}: config.json has no vector or cloud '{name}'."
                f"{suggestion(name, (*vectors, *clouds))}"
            )
    for name, width in vectors.items():
        if name not in data.observation:
            raise CheckpointError(
                f"{where}: observation lacks '{name}': its {width} elements need names and units; "
                "`robot-policies contract --from DATASET` writes what a data set says of them"
            )
    return _contract(where, path.parent, data, action_width, vectors, clouds)


def read_contract_of_actions(path: Path, action_width: int) -> Contract:
    """Read `contract.yaml` for what it says of actions; its features are not looked at.

    Raises:
        CheckpointError: If the file is missing, or names more or fewer elements than there are.
        ConfigError: If the file has an unknown key, unit or version.
    """
    where, data = _read(path)
    return _contract(where, path.parent, data, action_width, {}, ())


def _contract(
    where: str,
    folder: Path,
    data: _File,
    action_width: int,
    vectors: Mapping[str, int],
    clouds: tuple[str, ...],
) -> Contract:
    action = dict(data.action)
    kind = action.pop("kind", ActionKind.JOINT_POSITION)
    if kind not in list(ActionKind):
        kinds = [str(known) for known in ActionKind]
        raise ConfigError(f"{where}: action: no kind '{kind}'.{suggestion(str(kind), kinds)}")
    return Contract(
        version=data.version,
        robot=data.robot,
        written_dt=float(data.dt),
        dt=_time_step(data),
        kind=ActionKind(kind),
        action=read_elements(action, action_width, data.robot, f"{where}: action", folder),
        observation={
            name: _vector(name, width, data, f"{where}: observation.{name}", folder)
            for name, width in vectors.items()
        },
        frames={name: _frame(name, data, where) for name in clouds},
        task=data.task,
        vocabulary=tuple(data.vocabulary),
        executor=data.executor,
        max_age=data.max_age,
        max_skew=data.max_skew,
        gains=read_gains(data.gains, ActionKind(kind), action_width, f"{where}: gains"),
        network=data.network,
    )


def _vector(name: str, width: int, data: _File, where: str, folder: Path) -> Elements:
    """Return the elements of a vector; a velocity command may have bounds since version 2."""
    entry, bounded = data.observation[name], name == VELOCITY_COMMAND
    if data.version == 1 and bounded and isinstance(entry, Mapping):
        for key in BOUNDS:
            if key in entry:
                raise ConfigError(f"{where}: '{key}' needs 'version: {CONTRACT_VERSION}'")
    return read_elements(entry, width, data.robot, where, folder, bounded=bounded)


def _read(path: Path) -> tuple[str, _File]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing, and LeRobot's config.json names no joints")
    where = f"{path.parent.name}/{path.name}"
    return where, build(_File, read_yaml(path), where)


def _time_step(data: _File) -> float:
    """Return a step of a whole number of control periods, n / rate, where `dt` is one within 1 %.

    Else, and of a robot that is not known, it is `dt` itself. [s]
    """
    if data.robot not in robots():
        return float(data.dt)
    rate = load_robot(data.robot).control_rate
    return (whole_periods(data.dt, rate) or data.dt * rate) / rate


def _frame(name: str, data: _File, where: str) -> str:
    """Return the frame of a cloud; a file of version 1 names none."""
    entry = data.observation.get(name, {})
    check_keys(entry, ("frame",), f"{where}: observation.{name}")
    frame = entry.get("frame", "")
    if not isinstance(frame, str) or (data.version > 1 and not frame):
        raise ConfigError(
            f"{where}: observation.{name}: frame {frame!r} must name the link whose frame the "
            "points are in"
        )
    return frame
