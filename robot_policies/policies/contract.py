"""`contract.yaml`: which joints, units and moments a checkpoint speaks of.

LeRobot's `config.json` says how wide a feature is, and not what its elements are. This file says
it, beside the checkpoint:

    version: 2
    robot: go1
    dt: 0.02                      # s between two actions
    task: false                   # whether the policy reads an instruction; may be left out
    vocabulary: [put, the, cube]  # words of its instructions; any if left out
    executor: splice              # how its chunks are merged: open_loop if left out
    max_age: {observation.points: 0.3}   # s, of a sample it acts on; 0.15 where nothing is said
    max_skew: {observation.points: 0.3}  # s, behind the newest sensor; 0.1 where nothing is said
    observation:                  # one entry per feature but images, depth and labels
      observation.state: {names: [FR_hip_joint.pos, FR_hip_joint.vel], unit: [rad, rad/s]}
      observation.velocity_command:        # what it was trained with; what is beyond is refused
        {names: [linear.x, linear.y, angular.z], unit: [m/s, m/s, rad/s],
         lower: [-0.4, -0.3, -0.8], upper: [1.0, 0.3, 0.8]}
      observation.points: {frame: base}    # a cloud: the link whose frame it is in
    action: {kind: joint_position, names: [FR_hip_joint], unit: rad}

Units are those of the training data. `deg` and `deg/s` are converted to SI, and `%` of a joint's
range (LeRobot's gripper) to the joint's unit by the robot's table: once, here, both ways.

A file without `version` is of version 1, which has no `vocabulary`, `max_age` and `max_skew`, no
`lower` and `upper`, and names no frame. It means what it always meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot, robots
from robot_policies.documents import read_json, read_yaml
from robot_policies.interface import (
    EXECUTOR_MODES,
    ActionKind,
    ActionSpec,
    CheckpointError,
    ConfigError,
    ExecutorMode,
    Finding,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import VELOCITY_COMMAND
from robot_policies.interface.rates import whole_periods
from robot_policies.interface.schema import build, check_keys
from robot_policies.learning.elements import CONTRACT_VERSION
from robot_policies.policies.elements import BOUNDS, Elements, read_elements

FILE = "contract.yaml"
ROUNDING = 1e-6  # share by which a time step may differ without being worth a line
SINCE_2 = ("vocabulary", "max_age", "max_skew")


@dataclass(frozen=True, eq=False)
class Contract:
    """What `contract.yaml` says.

    Attributes:
        version: Of the file's form.
        robot: Robot the checkpoint was trained for.
        said_dt: Time between two actions, as the file has it. [s]
        dt: The same; a whole number of the robot's control periods where it is one within 1 %. [s]
        kind: What the elements of an action are.
        action: Elements of an action.
        observation: Elements of each feature that is a vector.
        frames: Frame of each feature that is a cloud.
        task: Whether the policy reads an instruction.
        vocabulary: Words its instructions are made of; empty if it takes any.
        executor: How its chunks are merged.
        max_age: Oldest sample to act on, by feature. [s]
        max_skew: Largest time behind the newest sensor, by feature. [s]
    """

    version: int
    robot: str
    said_dt: float
    dt: float
    kind: ActionKind
    action: Elements
    observation: Mapping[str, Elements]
    frames: Mapping[str, str]
    task: bool
    vocabulary: tuple[str, ...]
    executor: ExecutorMode
    max_age: Mapping[str, float]
    max_skew: Mapping[str, float]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What there is to say of the file itself."""
        found = []
        if self.version != CONTRACT_VERSION:
            frames = "".join(f", and 'frame: LINK' to {name}" for name in self.frames)
            text = (
                f"{FILE} is of version {self.version}: add 'version: {CONTRACT_VERSION}'{frames}"
            )
            found.append(Finding("info", "contract_version", text))
        if abs(self.dt / self.said_dt - 1.0) > ROUNDING:
            text = f"{FILE}: dt {self.said_dt:g} s is taken as {self.dt:.6g} s of {self.robot}"
            found.append(Finding("info", "rate", text))
        return tuple(found)


@dataclass(frozen=True)
class _File:
    robot: str
    dt: float
    action: Mapping[str, Any]
    observation: Mapping[str, Any] = field(default_factory=dict)
    task: bool = False
    executor: ExecutorMode = "open_loop"
    version: int = 1
    vocabulary: tuple[str, ...] = ()
    max_age: Mapping[str, float] = field(default_factory=dict)
    max_skew: Mapping[str, float] = field(default_factory=dict)

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
        if self.executor not in EXECUTOR_MODES:
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
        for key in ("observation", "action", "max_age", "max_skew"):
            if not isinstance(getattr(self, key), Mapping):
                raise ValueError(f"{key}: expected a mapping, got {getattr(self, key)!r}")


def action_spec(contract: "Contract", config: Mapping[str, Any]) -> ActionSpec:
    """Return the actions of a checkpoint.

    Args:
        contract: What `contract.yaml` says.
        config: What `config.json` says; of its fields, those that make chunks.
    """
    chunks = answers_in_chunks(config)
    return ActionSpec(
        kind=contract.kind,
        array=contract.action.spec("action", np.float64),
        dt=contract.dt,
        horizon=config["chunk_size"] if chunks else 1,
        executed=config.get("n_action_steps") or 0 if chunks else 1,
        executor=contract.executor,
    )


def answers_in_chunks(config: Mapping[str, Any]) -> bool:
    """Return whether a policy of LeRobot answers one observation with a whole chunk.

    Policies that look back (diffusion, VQ-BeT) keep their history in `select_action`.
    """
    return "chunk_size" in config and config.get("n_obs_steps") == 1


def read_action_spec(folder: Path) -> ActionSpec:
    """Read the actions of a checkpoint from its texts, without loading it.

    Raises:
        CheckpointError: If a text is missing or they contradict each other.
        ConfigError: If one has an unknown key or unit.
    """
    config = read_json(folder / "config.json")
    try:
        width = int(config["output_features"]["action"]["shape"][0])
    except (KeyError, IndexError, TypeError, ValueError):
        raise CheckpointError(f"{folder}/config.json: no width of 'action'") from None
    where, data = _read(folder / FILE)
    return action_spec(_contract(where, data, width, {}, ()), config)


def read_contract(
    path: Path, vectors: Mapping[str, int], action_width: int, clouds: tuple[str, ...] = ()
) -> Contract:
    """Read `contract.yaml` and hold it against the checkpoint's configuration.

    Args:
        path: The file.
        vectors: Width of each feature that is a vector, as `config.json` has it.
        action_width: Width of an action, likewise.
        clouds: Features that are clouds of points, likewise.

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
            f"'robot-policies contract --from DATASET', or: version: {CONTRACT_VERSION}, "
            f"robot: NAME, dt: SECONDS, observation: {{{features}}}, action: "
            f"{{kind: joint_position, names: [{action_width} joints], unit: rad}}"
            " (unit: deg and % are converted)"
        )
    where, data = _read(path)
    for name in data.observation:
        if name not in vectors and name not in clouds:
            raise CheckpointError(
                f"{where}: config.json has no vector or cloud '{name}'."
                f"{suggestion(name, (*vectors, *clouds))}"
            )
    for name, width in vectors.items():
        if name not in data.observation:
            raise CheckpointError(
                f"{where}: observation lacks '{name}': its {width} elements need names and units"
            )
    return _contract(where, data, action_width, vectors, clouds)


def _contract(
    where: str,
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
        said_dt=float(data.dt),
        dt=_time_step(data),
        kind=ActionKind(kind),
        action=read_elements(action, action_width, data.robot, f"{where}: action"),
        observation={
            name: _vector(name, width, data, f"{where}: observation.{name}")
            for name, width in vectors.items()
        },
        frames={name: _frame(name, data, where) for name in clouds},
        task=data.task,
        vocabulary=tuple(data.vocabulary),
        executor=data.executor,
        max_age=data.max_age,
        max_skew=data.max_skew,
    )


def _vector(name: str, width: int, data: _File, where: str) -> Elements:
    """Return the elements of a vector; a velocity command may have bounds since version 2."""
    entry, bounded = data.observation[name], name == VELOCITY_COMMAND
    if data.version == 1 and bounded and isinstance(entry, Mapping):
        for key in BOUNDS:
            if key in entry:
                raise ConfigError(f"{where}: '{key}' needs 'version: {CONTRACT_VERSION}'")
    return read_elements(entry, width, data.robot, where, bounded=bounded)


def _read(path: Path) -> tuple[str, _File]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing, and LeRobot's config.json names no joints")
    where = f"{path.parent.name}/{path.name}"
    return where, build(_File, read_yaml(path), where)


def _time_step(data: _File) -> float:
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
