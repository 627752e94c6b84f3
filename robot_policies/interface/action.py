"""What a policy answers: a chunk of future actions, each with the time it is meant for."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, get_args

import numpy as np

from robot_policies.interface.errors import ContractError, UnknownNameError
from robot_policies.interface.limits import JointLimits
from robot_policies.interface.robot_parts import Gains
from robot_policies.interface.spec import ArraySpec

# How chunks become one action; `control/chunk_executor.py` says what each does.
ExecutorMode = Literal["open_loop", "ensemble", "splice"]
EXECUTOR_MODES: tuple[ExecutorMode, ...] = get_args(ExecutorMode)


class ActionKind(StrEnum):
    """What the elements of an action are."""

    JOINT_POSITION = "joint_position"  # one target per named joint [rad, m]
    JOINT_VELOCITY = "joint_velocity"  # one per named joint [rad/s, m/s]
    CARTESIAN_DELTA = "cartesian_delta"  # gripper displacement x y z [m], rotation vector [rad]
    BASE_VELOCITY = "base_velocity"  # linear.x, linear.y [m/s], angular.z [rad/s]


# Of a `cartesian_delta`; joints it commands as well, such as a gripper, come behind.
CARTESIAN_DELTA_NAMES = (
    *(f"position.{axis}" for axis in "xyz"),
    *(f"rotation.{axis}" for axis in "xyz"),
)


@dataclass(frozen=True)
class ActionSpec:
    """The actions a policy produces.

    Attributes:
        kind: What the elements are.
        array: Names, units and bounds of one action. Shape (width,).
        dt: Time between two rows of a chunk. [s]
        horizon: Rows per chunk.
        executed: Rows that are followed before the policy is asked again; 0 stands for all.
        executor: How its chunks are meant to be merged.
        decay: Of the weight per chunk, where chunks are averaged; see `ensemble` of
            `control/chunk_executor.py`.
        gains: Of the servo that the policy expects to track its joint targets, in the order of
            the array's names; `None` if it does not say.
    """

    kind: ActionKind
    array: ArraySpec
    dt: float
    horizon: int
    executed: int = 0
    executor: ExecutorMode = "open_loop"
    decay: float = 0.01  # Zhao et al. 2023, Sec. IV-A
    gains: Gains | None = None

    def __post_init__(self) -> None:
        """Refuse a spec that names no elements or no time."""
        object.__setattr__(self, "kind", ActionKind(self.kind))
        if not self.array.names:
            raise ContractError("action: the elements have no names; an order is never assumed")
        if not self.dt > 0.0 or self.horizon < 1:
            raise ContractError(f"action: dt {self.dt} s and horizon {self.horizon} must be > 0")
        object.__setattr__(self, "executed", self.executed or self.horizon)
        if not 1 <= self.executed <= self.horizon:
            raise ContractError(
                f"action: {self.executed} rows executed, expected 1 to {self.horizon}"
            )
        if self.executor not in EXECUTOR_MODES:
            raise UnknownNameError("executor", self.executor, EXECUTOR_MODES, "action")

    def validate(self, chunk: "ActionChunk") -> None:
        """Refuse a chunk that breaks this spec.

        Raises:
            ContractError: Naming the row and the element.
        """
        if chunk.names != self.array.names:
            raise ContractError(f"action: names {chunk.names}, expected {self.array.names}")
        if chunk.kind is not self.kind:
            raise ContractError(f"action: kind {chunk.kind}, expected {self.kind}")
        if abs(chunk.dt - self.dt) > 1e-9:
            raise ContractError(f"action: dt {chunk.dt:g} s, expected {self.dt:g} s")
        if not 1 <= len(chunk.values) <= self.horizon:
            raise ContractError(f"action: {len(chunk.values)} rows, expected 1 to {self.horizon}")
        for row in chunk.values:
            self.array.validate(row)


@dataclass(frozen=True, eq=False)
class ActionChunk:
    """Targets for the next control steps.

    Row k is in force from `stamp + k dt` and due (to be reached) at `stamp + (k + 1) dt`.

    Attributes:
        stamp: `Observation.stamp` the chunk answers. [s]
        dt: Time between two rows. [s]
        values: Targets. Shape (horizon, width), in the unit of the action spec.
        names: Names of the columns.
        kind: What the columns are.
        limits: What its joints are held to, beside the robot's own limits.
    """

    stamp: float
    dt: float
    values: np.ndarray
    names: tuple[str, ...]
    kind: ActionKind = ActionKind.JOINT_POSITION
    limits: JointLimits = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze the values and refuse a malformed chunk; NaN is the safety gate's to refuse."""
        values = np.array(self.values, dtype=np.float64)
        values.setflags(write=False)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "kind", ActionKind(self.kind))
        if values.ndim != 2 or len(values) < 1 or values.shape[1] != len(self.names):
            raise ContractError(
                f"chunk: shape {values.shape}, expected (>= 1, {len(self.names)}) for {self.names}"
            )
        if not (np.isfinite(self.stamp) and np.isfinite(self.dt) and self.dt > 0.0):
            raise ContractError(f"chunk: stamp {self.stamp} s and dt {self.dt} s must be finite")


@dataclass(frozen=True, eq=False)
class Action:
    """One row of a chunk, or a mixture of several chunks, for one moment.

    Attributes:
        values: Targets in SI units. Shape (width,).
        names: Names of the elements.
        kind: What the elements are.
        stamp: Stamp of the newest chunk that had a say. [s]
        limits: What its joints are held to, beside the robot's own limits.
    """

    values: np.ndarray
    names: tuple[str, ...]
    kind: ActionKind
    stamp: float
    limits: JointLimits = field(default_factory=dict)
