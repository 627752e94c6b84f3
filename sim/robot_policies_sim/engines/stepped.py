"""What the simulators have in common: time, the servo's command, latency, pushes, refusals.

The servo runs at the robot's servo rate inside `advance`, one physics step per servo step, so
that its period never depends on a timer of the operating system. The engines differ in the few
methods marked abstract.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
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
    Supervisor,
    check_command,
)
from robot_policies.interface.observation import ENVIRONMENT_STATE, is_picture
from robot_policies.interface.robot_parts import Camera, Gains
from robot_policies_sim.engines.cameras import Cameras, Picture
from robot_policies_sim.scene.conditions import EpisodeConditions
from robot_policies_sim.scene.world import AXES, World


class SteppedSimulator(ABC):
    """A `Simulator` whose engine steps at the servo rate.

    Attributes:
        name: Engine name, for messages.
        spec: The robot.
        provides: Streams, by feature name.
        accepts: Joint positions, which the servo turns into efforts, and joint velocities, with
            which the servo's target moves.
    """

    name: ClassVar[str]
    accepts = frozenset({ActionKind.JOINT_POSITION, ActionKind.JOINT_VELOCITY})

    def __init__(self, spec: RobotSpec, scene: Mapping[str, Any], cameras: bool = True) -> None:
        """Check the scene; the engine is loaded by `connect` and `reset`.

        Args:
            spec: The robot.
            scene: World description, see `World`.
            cameras: Whether the robot has its cameras.
        """
        self.spec = spec
        self.world = World.from_mapping(scene)
        self._cameras = Cameras(spec, self._photograph) if cameras else None
        self.provides: dict[str, ArraySpec] = {
            feature: stream
            for feature, stream in spec.streams.items()
            if cameras or not is_picture(feature)
        }
        if self.world.tracked:
            names = tuple(f"{thing}.{axis}" for thing, axis in self.world.tracked)
            environment = ArraySpec(ENVIRONMENT_STATE, (len(names),), unit="m", names=names)
            self.provides[ENVIRONMENT_STATE] = environment
        self._scene = scene
        self._supervisor: Supervisor | None = None
        self._connected = False
        self._running = False

    def supervise(self, supervisor: Supervisor | None) -> None:
        """Let a supervisor decide at every servo step what the servo tracks."""
        self._supervisor = supervisor

    def connect(self) -> None:
        """Make the engine ready; `reset` builds the world."""
        self._connected = True

    def reset(self, seed: int, options: Mapping[str, Any]) -> RobotState:
        """Build the world anew and start an episode at time 0, holding the initial pose.

        Args:
            seed: Unused: the engines sample nothing, tasks draw `options` from the seed.
            options: The initial condition, see `EpisodeConditions`.

        Raises:
            BackendError: If the backend is not connected.
            ConfigError: If the initial condition cannot be.
        """
        if not self._connected:
            raise BackendError(f"{self.name}: reset before connect")
        conditions = EpisodeConditions.from_mapping(options, self.spec, self.world)
        self._robot = conditions.robot(self.spec)
        self._load(self._robot, conditions.scene(self._scene))
        self._place(conditions)
        self._steps = 0
        self._latency = round(
            conditions.latency_steps * self.spec.servo_rate / self.spec.control_rate
        )
        self._pushes = deque(sorted(conditions.pushes, key=lambda push: push.time))
        self._strength = conditions.motor_strength
        self._commands: deque[tuple[int, Command]] = deque()
        self._in_force: Command | None = None
        self._state: RobotState | None = None
        if self._cameras:
            self._cameras.restart()
        self._running = True
        self._target = conditions.positions(self.spec)
        self._apply(Command(0.0, self._target, mode=CommandMode.HOLD))
        return self.read()

    @property
    def time(self) -> float:
        """Time since the start of the episode [s]."""
        return self._steps / self.spec.servo_rate

    def read(self, pictures: bool = True) -> RobotState:
        """Return the state now; reading twice at one time measures once.

        Args:
            pictures: Whether to draw the cameras that are due; they cost most of a read.

        Raises:
            BackendError: Before the first `reset`.
        """
        self._require_running("read")
        if self._state is None:
            state = self._state = self._with_environment(self._measure())
            joints = (state.joint_position, state.joint_velocity, state.joint_effort)
            for array in (*joints, *state.features.values(), *state.truth.values()):
                array.setflags(write=False)  # everybody who reads now shares them
        if not (pictures and self._cameras):
            return self._state
        seen, stamps = self._cameras.read(self.time)
        return replace(
            self._state,
            features={**self._state.features, **seen},
            stamps={**self._state.stamps, **stamps},
        )

    def write(self, command: Command) -> Command:
        """Give the servo a target; it takes effect after the episode's latency.

        Raises:
            BackendError: If the target is none a joint may get. Nothing is clipped here.
        """
        self._require_running("write")
        check_command(command, self.spec, self.accepts, self.name)
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
        for _ in range(round(steps)):
            while self._commands and self._commands[0][0] <= self._steps:
                self._in_force = self._commands.popleft()[1]
                self._apply(self._in_force)
            if self._supervisor:
                self._apply(self._supervisor(self._in_force, self.read(pictures=False), self.time))
            while self._pushes and self._pushes[0].time <= self.time:
                self._push(np.array(self._pushes.popleft().velocity))
            if self._speed.any():
                self._follow(self._target + self._speed / self.spec.servo_rate)
            self._step()
            self._steps += 1
            self._state = None
            if self._cameras and self._cameras.is_due(self.time):
                self.read(pictures=False)  # brings what is drawn up to date
                self._cameras.expose(self.time)
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

    def _apply(self, command: Command) -> None:
        values = np.asarray(command.values, float)
        gains, strength = command.gains or self.spec.gains[command.mode], self._strength
        # Weak motors give less than they are asked for.
        self._gains = Gains(gains.stiffness * strength, gains.damping * strength)
        self._speed = np.zeros(len(values))
        target = values
        if command.kind is ActionKind.JOINT_VELOCITY:
            self._speed = values
            target = within_reach(self._robot, self._gains, self._positions(), self._target)
        self._follow(target)

    def _follow(self, target: np.ndarray) -> None:
        if self._speed.any():
            target = np.clip(target, self.spec.lower, self.spec.upper)
        self._target = target
        self._servo(target, self._gains)

    def _photograph(self, camera: Camera) -> Picture:
        picture, cloud = self._look(camera), self.spec.cloud
        if cloud is None or cloud.camera != camera.name:
            return picture
        mounted, frame = self._link_pose(camera.link), self._link_pose(cloud.frame)
        return picture.points(camera, mounted, frame, cloud.points)

    def _with_environment(self, state: RobotState) -> RobotState:
        """Tell the robot where the tracked things are."""
        if not self.world.tracked:
            return state
        where = [state.truth[f"object.{thing}"][AXES.index(a)] for thing, a in self.world.tracked]
        features = {**state.features, ENVIRONMENT_STATE: np.array(where, np.float32)}
        stamps = {**state.stamps, ENVIRONMENT_STATE: state.stamp}
        return replace(state, features=features, stamps=stamps)

    @abstractmethod
    def render(self, width: int, height: int) -> np.ndarray:
        """Return a picture of the scene for people. Shape (height, width, 3), uint8 RGB."""

    @abstractmethod
    def _look(self, camera: Camera) -> Picture:
        """Draw what a camera sees now; the state was measured before."""

    @abstractmethod
    def _load(self, robot: RobotSpec, scene: Mapping[str, Any]) -> None:
        """Build the world."""

    @abstractmethod
    def _place(self, conditions: EpisodeConditions) -> None:
        """Put base, joints and objects where the episode starts."""

    @abstractmethod
    def _link_pose(self, link: str) -> np.ndarray:
        """Return position and quaternion x, y, z, w of a link's frame. Shape (7,)."""

    @abstractmethod
    def _positions(self) -> np.ndarray:
        """Return the joint positions. Shape (n,). [rad], [m]."""

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
        """Read every sensor but the cameras, and the truth, now."""


def within_reach(
    robot: RobotSpec, gains: Gains, position: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """Return a target that a moving joint may go on from.

    The target of a joint that is held up runs ahead of it; it goes no further than where the servo
    gives all it can, or the joint would leap once it is free.

    Args:
        robot: The robot.
        gains: Of the servo.
        position: Of the joints. Shape (..., n). [rad], [m]
        target: Of the servo. Shape (..., n). [rad], [m]
    """
    stiff = gains.stiffness > 0.0
    ahead = np.where(stiff, robot.effort / np.where(stiff, gains.stiffness, 1.0), 0.0)
    return np.clip(target, position - ahead, position + ahead)
