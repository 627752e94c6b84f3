"""What a simulator, a recorded log and a physical robot have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np

from robot_policies.interface.action import ActionKind
from robot_policies.interface.errors import BackendError
from robot_policies.interface.observation import (
    COMMAND,
    EFFORT,
    GOAL_STREAMS,
    VELOCITY_COMMAND_NAMES,
    is_picture,
)
from robot_policies.interface.plausibility import overshoot
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.robot_parts import Gains
from robot_policies.interface.spec import ArraySpec

ROUNDING = 1e-9  # relative room for floating-point error in every comparison with a limit


class CommandMode(StrEnum):
    """Which of the robot's gain sets a command is tracked with."""

    POLICY = "policy"  # the gains the policy was trained with
    HOLD = "hold"  # stiff enough to stay where the robot is
    DAMP = "damp"  # no stiffness: joints brake and give way


@dataclass(frozen=True, eq=False)
class RobotState:
    """What the robot measured, SI, each stream stamped at its capture.

    Attributes:
        stamp: Capture time of the joint streams. [s]
        joint_position: In `RobotSpec.joints` order. Shape (n,). [rad], [m] for sliding joints.
        joint_velocity: Likewise. Shape (n,). [rad/s], [m/s]
        joint_effort: Likewise, empty if not measured. Shape (n,) or (0,). [N m], [N]
        joint_temperature: Of the motors, empty if not measured. Shape (n,) or (0,). [deg C]
        features: Other streams by feature name (`observation.imu`,
            `observation.images.<camera>`, `observation.points`, `observation.wrench`).
        stamps: Capture time of each entry of `features`. [s]
        truth: What only a simulator or a log knows (`base_position` [m], `base_velocity` in the
            body frame [m/s, rad/s], `object.<name>` poses, `contact.<a>.<b>` normal force between
            two things of the scene, `robot` and `floor` among them [N]). For tasks and metrics,
            never for a policy: it is not sent over a topic.
        busy: What the robot does by itself, such as standing up; empty while it follows commands.
        fault: Why the robot stopped itself or must be stopped; empty if all is well.
    """

    stamp: float
    joint_position: np.ndarray
    joint_velocity: np.ndarray
    joint_effort: np.ndarray = field(default_factory=lambda: np.empty(0))
    joint_temperature: np.ndarray = field(default_factory=lambda: np.empty(0))
    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    stamps: Mapping[str, float] = field(default_factory=dict)
    truth: Mapping[str, np.ndarray] = field(default_factory=dict)
    busy: str = ""
    fault: str = ""


@dataclass(frozen=True, eq=False)
class Command:
    """What is sent to the actuators.

    Attributes:
        stamp: Moment it was decided. [s]
        kind: `joint_position`, `joint_velocity` or `base_velocity`.
        values: In `RobotSpec.joints` order for joints. Shape (n,). SI.
        mode: Gain set it is tracked with.
        gains: Instead of that set, where a servo passes from one set to another.
    """

    stamp: float
    values: np.ndarray
    kind: ActionKind = ActionKind.JOINT_POSITION
    mode: CommandMode = CommandMode.POLICY
    gains: Gains | None = None


def without_pictures(state: RobotState) -> RobotState:
    """Return a state without the streams that come from cameras."""
    features = {name: value for name, value in state.features.items() if not is_picture(name)}
    return replace(
        state, features=features, stamps={name: state.stamps[name] for name in features}
    )


def check_command(
    command: Command, robot: RobotSpec, accepts: frozenset[ActionKind], backend: str
) -> None:
    """Refuse a command that no motor should get, the last check before it is sent.

    Positions are held to the robot's range and speeds to its limit, but for rounding. A joint may
    be held where it was found, also where its stop gave way; a damped one has no target to be
    outside of, and a base no limit in the robot's table.

    Args:
        command: What is about to be sent.
        robot: Whose it is.
        accepts: Kinds of command the backend can track.
        backend: Its name, for the message.

    Raises:
        BackendError: Naming the kind, the shape, or the first element that is wrong.
    """
    if command.kind not in accepts:
        raise BackendError(f"{backend}: cannot track {command.kind}, only {sorted(accepts)}")
    values, names = np.asarray(command.values), robot.joint_names
    lower, upper = robot.lower, robot.upper
    if command.kind is ActionKind.BASE_VELOCITY:
        names = VELOCITY_COMMAND_NAMES
        lower, upper = np.full(3, -np.inf), np.full(3, np.inf)
    elif command.kind is ActionKind.JOINT_VELOCITY:
        lower, upper = -robot.velocity, robot.velocity
    if values.shape != lower.shape:
        raise BackendError(f"{backend}: command of shape {values.shape}, expected {lower.shape}")
    allowed = np.isfinite(values)
    if command.mode is not CommandMode.DAMP:
        room = ROUNDING * np.maximum(np.abs(lower), np.abs(upper))
        if command.mode is CommandMode.HOLD and command.kind is ActionKind.JOINT_POSITION:
            room = room + overshoot(robot)
        allowed &= (lower - room <= values) & (values <= upper + room)
    if not allowed.all():
        i = int(np.argmin(allowed))
        raise BackendError(
            f"{backend}: command[{names[i]}] = {values[i]:g} is outside "
            f"[{lower[i]:g}, {upper[i]:g}]"
        )


@runtime_checkable
class RobotBackend(Protocol):
    """A robot, real or not.

    Legal sequence: `connect`, then `read` and `write` in any order, `stop` at any time, `close`.
    A simulator additionally is `reset` before the first `read` and `advance`d between reads.

    Attributes:
        spec: The robot; readable before `connect`.
        provides: Streams it gives, by feature name; readable before `connect`.
        accepts: Kinds of command it can track.
    """

    spec: RobotSpec
    provides: Mapping[str, ArraySpec]
    accepts: frozenset[ActionKind]

    def connect(self) -> None:
        """Open the device; must not move the robot and must not ask questions.

        Raises:
            BackendError: Saying what is missing.
        """
        ...

    def read(self, pictures: bool = True) -> RobotState:
        """Return the newest measurement.

        Args:
            pictures: Whether the streams that come from cameras are wanted. Without them they are
                left out of the state, and a simulator does not draw them.
        """
        ...

    def write(self, command: Command) -> Command:
        """Send a command and return what was really sent."""
        ...

    def stop(self, reason: str) -> None:
        """Bring the actuators to the robot's damping mode; must never raise."""
        ...

    def close(self) -> None:
        """Stop and release the device; may be called twice."""
        ...


@runtime_checkable
class MeasuringEffort(Protocol):
    """A backend that may measure `RobotState.joint_effort`.

    Attributes:
        measures_effort: Whether it does.
    """

    measures_effort: bool


def offered(backend: RobotBackend) -> Mapping[str, ArraySpec]:
    """Return every stream that a policy on this backend can be given, by feature name.

    Beside the backend's own these are the goals, the efforts of the joints where they are measured
    and, where it tracks joint positions, the command in force, which the control loop adds.
    """
    position = ActionKind.JOINT_POSITION in backend.accepts
    command = {COMMAND: backend.spec.command_stream} if position else {}
    measured = isinstance(backend, MeasuringEffort) and backend.measures_effort
    effort = {EFFORT: backend.spec.effort_stream} if measured else {}
    return {**GOAL_STREAMS, **command, **effort, **backend.provides}


# Makes what the servo tracks now [s] of the command in force and the newest measurement.
Supervisor = Callable[[Command | None, RobotState, float], Command]


@runtime_checkable
class ServoBackend(RobotBackend, Protocol):
    """A backend that sends gains along with targets, and can ask for both at every servo step."""

    def supervise(self, supervisor: Supervisor | None) -> None:
        """Let a supervisor decide what is sent; without one, the command in force is.

        It is called at the servo rate with the backend's own clock, from a thread of its own if
        the robot does not wait. What it returns is sent as it is.
        """
        ...


@runtime_checkable
class OrderlyBackend(RobotBackend, Protocol):
    """A backend that brings the robot to rest by itself before `stop`: a legged one lies down.

    Nobody waits for it: after `begin_stop` it is read and written as before, a simulator advanced,
    and stopped when it is no longer `stopping`, or at once if it takes too long.
    """

    @property
    def stopping(self) -> bool:
        """Whether it is on its way to rest."""
        ...

    def begin_stop(self, reason: str) -> None:
        """Begin to bring the robot to rest; does nothing if it is. Must never raise."""
        ...


@runtime_checkable
class LettingGo(RobotBackend, Protocol):
    """A backend whose robot holds something and can let go of it at once."""

    def let_go(self) -> None:
        """Open the grip; does nothing if it is open. Must never raise."""
        ...


@runtime_checkable
class PublishedBackend(RobotBackend, Protocol):
    """A backend whose robot has a driver in the same graph that publishes some streams itself.

    Attributes:
        published: Full topic name of each such stream, by feature name. Whoever publishes it
            again, as this backend gives it, needs a topic of another name.
    """

    published: Mapping[str, str]


@runtime_checkable
class RecordedBackend(RobotBackend, Protocol):
    """A backend that moves as a robot once moved, whatever is commanded now.

    Attributes:
        recording: What it plays, for people.
    """

    recording: str


@runtime_checkable
class Simulator(RobotBackend, Protocol):
    """A backend whose time is advanced by its caller."""

    def reset(self, seed: int, options: Mapping[str, Any]) -> RobotState:
        """Start an episode at time 0.

        Args:
            seed: Seeds everything the simulator samples.
            options: The initial state, as `Task.initial` gives it.
        """
        ...

    def advance(self, dt: float) -> None:
        """Run physics for `dt` seconds under the last command.

        Raises:
            BackendError: If `dt` is no multiple of the physics step, or the physics diverged.
        """
        ...

    def render(self, width: int, height: int) -> np.ndarray:
        """Return a picture of the scene for people. Shape (height, width, 3), uint8 RGB."""
        ...
