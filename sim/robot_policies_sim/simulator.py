"""What the simulators have in common: time, the servo's command, latency, pushes, refusals.

The servo runs at the robot's servo rate inside `advance`, one physics step per servo step, so
that its period never depends on a timer of the operating system. The engines differ in the few
methods marked abstract.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from robot_policies.interface import (
    ActionKind,
    ArraySpec,
    BackendError,
    Command,
    CommandMode,
    RobotSpec,
    RobotState,
)
from robot_policies.interface.observation import IMAGES
from robot_policies.interface.robot import Gains
from robot_policies_sim.initial import Initial
from robot_policies_sim.world import World


class SteppedSimulator(ABC):
    """A `Simulator` whose engine steps at the servo rate.

    Attributes:
        name: Engine name, for messages.
        spec: The robot.
        provides: Streams, by feature name.
        accepts: Joint positions only; the servo turns them into efforts.
    """

    name: ClassVar[str]
    accepts = frozenset({ActionKind.JOINT_POSITION})

    def __init__(self, spec: RobotSpec, scene: Mapping[str, Any], cameras: bool = True) -> None:
        """Check the scene; the engine is loaded by `connect` and `reset`.

        Args:
            spec: The robot.
            scene: World description, see `World`.
            cameras: Whether to draw the robot's camera images; they cost most of a read.
        """
        self.spec = spec
        self.world = World.from_mapping(scene)
        self.cameras = spec.cameras if cameras else ()
        self.provides: Mapping[str, ArraySpec] = {
            feature: stream
            for feature, stream in spec.streams.items()
            if cameras or not feature.startswith(IMAGES)
        }
        self._scene = scene
        self._connected = False
        self._running = False

    def connect(self) -> None:
        """Make the engine ready; `reset` builds the world."""
        self._connected = True

    def reset(self, seed: int, options: Mapping[str, Any]) -> RobotState:
        """Build the world anew and start an episode at time 0, holding the initial pose.

        Args:
            seed: Unused: the engines sample nothing, tasks draw `options` from the seed.
            options: The initial condition, see `Initial`.

        Raises:
            BackendError: If the backend is not connected.
            ConfigError: If the initial condition cannot be.
        """
        if not self._connected:
            raise BackendError(f"{self.name}: reset before connect")
        initial = Initial.from_mapping(options, self.spec, self.world)
        self._robot = initial.robot(self.spec)
        self._load(self._robot, initial.scene(self._scene))
        self._place(initial)
        self._steps = 0
        self._latency = round(
            initial.latency_steps * self.spec.servo_rate / self.spec.control_rate
        )
        self._pushes = deque(sorted(initial.pushes, key=lambda push: push.time))
        self._commands: deque[tuple[int, Command]] = deque()
        self._state: RobotState | None = None
        self._running = True
        self._apply(Command(0.0, initial.positions(self.spec), mode=CommandMode.HOLD))
        return self.read()

    @property
    def time(self) -> float:
        """Time since the start of the episode [s]."""
        return self._steps / self.spec.servo_rate

    def read(self) -> RobotState:
        """Return the state now; reading twice at one time gives the same object.

        Raises:
            BackendError: Before the first `reset`.
        """
        self._require_running("read")
        if self._state is None:
            state = self._state = self._measure()
            joints = (state.joint_position, state.joint_velocity, state.joint_effort)
            for array in (*joints, *state.features.values(), *state.truth.values()):
                array.setflags(write=False)  # everybody who reads now shares them
        return self._state

    def write(self, command: Command) -> Command:
        """Give the servo a target; it takes effect after the episode's latency.

        Raises:
            BackendError: If the target is none a joint may get. Nothing is clipped here.
        """
        self._require_running("write")
        self._check(command)
        self._commands.append((self._steps + self._latency, command))
        return command

    def advance(self, dt: float) -> None:
        """Run physics for `dt` seconds under the last command.

        Raises:
            BackendError: If `dt` is no multiple of the servo period, or the physics diverged.
        """
        self._require_running("advance")
        steps = dt * self.spec.servo_rate
        if not (np.isfinite(steps) and round(steps) >= 1 and abs(steps - round(steps)) < 1e-6):
            raise BackendError(
                f"{self.name}: cannot advance {dt:g} s, "
                f"no multiple of the physics step {1.0 / self.spec.servo_rate:g} s"
            )
        self._state = None
        for _ in range(round(steps)):
            while self._commands and self._commands[0][0] <= self._steps:
                self._apply(self._commands.popleft()[1])
            while self._pushes and self._pushes[0].time <= self.time:
                self._push(np.array(self._pushes.popleft().velocity))
            self._step()
            self._steps += 1
        if not self._is_finite():
            raise BackendError(f"{self.name}: the physics diverged before {self.time:g} s")

    def stop(self, reason: str) -> None:
        """Let the joints brake and give way, without latency; never raises."""
        if self._running:
            self._commands.clear()
            self._apply(Command(self.time, self.spec.default, mode=CommandMode.DAMP))

    def close(self) -> None:
        """Release the engine."""
        self._connected = self._running = False

    def _require_running(self, verb: str) -> None:
        if not self._running:
            raise BackendError(f"{self.name}: {verb} before reset")

    def _check(self, command: Command) -> None:
        if command.kind not in self.accepts:
            kinds = sorted(self.accepts)
            raise BackendError(f"{self.name}: cannot track {command.kind}, only {kinds}")
        values = np.asarray(command.values)
        if values.shape != self.spec.lower.shape:
            raise BackendError(
                f"{self.name}: command of shape {values.shape}, expected {self.spec.lower.shape}"
            )
        allowed = np.isfinite(values)
        if command.mode is not CommandMode.DAMP:  # which has no target to be outside of
            allowed &= (self.spec.lower <= values) & (values <= self.spec.upper)
        if not allowed.all():
            i = int(np.argmin(allowed))
            joint = self.spec.joints[i]
            raise BackendError(
                f"{self.name}: command[{joint.name}] = {values[i]:g} is outside "
                f"[{joint.lower:g}, {joint.upper:g}]"
            )

    def _apply(self, command: Command) -> None:
        self._servo(np.asarray(command.values, float), self._robot.gains[command.mode])

    @abstractmethod
    def render(self, width: int, height: int) -> np.ndarray:
        """Return a picture of the scene for people. Shape (height, width, 3), uint8 RGB."""

    @abstractmethod
    def _load(self, robot: RobotSpec, scene: Mapping[str, Any]) -> None:
        """Build the world."""

    @abstractmethod
    def _place(self, initial: Initial) -> None:
        """Put base, joints and objects where the episode starts."""

    @abstractmethod
    def _servo(self, target: np.ndarray, gains: Gains) -> None:
        """Set what the joint servo tracks from the next step on."""

    @abstractmethod
    def _push(self, velocity: np.ndarray) -> None:
        """Add to the velocity of the base, world frame [m/s]."""

    @abstractmethod
    def _step(self) -> None:
        """Run one servo and physics step."""

    @abstractmethod
    def _is_finite(self) -> bool:
        """Return whether the state is still numbers."""

    @abstractmethod
    def _measure(self) -> RobotState:
        """Read every sensor and the truth now."""
