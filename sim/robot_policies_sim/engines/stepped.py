"""What the simulators have in common: time, the servo's command, latency, pushes, refusals.

The servo runs at the robot's servo rate inside `advance`, one physics step per servo step, so
that its period never depends on a timer of the operating system. The engines differ in the
methods of `Engine`.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
from robot_policies.interface.robot_parts import Camera
from robot_policies_sim.engines.cameras import Cameras, Picture
from robot_policies_sim.engines.engine import Engine
from robot_policies_sim.engines.sensors import Sensors
from robot_policies_sim.engines.servo import ServoTarget
from robot_policies_sim.engines.steps import whole_steps
from robot_policies_sim.scene.conditions import EpisodeConditions
from robot_policies_sim.scene.schedule import kicks
from robot_policies_sim.scene.world import AXES, World

PUSHES = 0x50C4  # seeds the directions of kicks, apart from all else that is drawn


class SteppedSimulator(Engine):
    """A `Simulator` whose engine steps at the servo rate.

    Attributes:
        spec: The robot.
        provides: Streams, by feature name.
        accepts: Joint positions, which the servo turns into efforts, and joint velocities, with
            which the servo's target moves.
    """

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
            seed: Of the noise of its sensors and of what else `options` leave to chance.
            options: The initial condition, see `EpisodeConditions`.

        Raises:
            BackendError: If the backend is not connected.
            ConfigError: If the initial condition cannot be.
        """
        if not self._connected:
            raise BackendError(f"{self.name}: reset before connect")
        conditions = EpisodeConditions.from_mapping(options, self.spec, self.world)
        robot, position = conditions.robot(self.spec), conditions.positions(self.spec)
        self._sensors = Sensors(conditions, seed)
        robot = replace(robot, cameras=self._sensors.mounted(robot.cameras))
        self._mounted = {camera.name: camera for camera in robot.cameras}
        self._load(robot, conditions.scene(self._scene))
        self._place(conditions)
        self._steps = 0
        self._latency = round(
            conditions.latency_steps * self.spec.servo_rate / self.spec.control_rate
        )
        drawn = kicks(conditions.push, np.random.default_rng((seed, PUSHES)))
        self._pushes = deque(sorted((*conditions.pushes, *drawn), key=lambda push: push.time))
        self._courses = conditions.courses
        self._commands: deque[tuple[int, Command]] = deque()
        self._in_force: Command | None = None
        self._state: RobotState | None = None
        if self._cameras:
            self._cameras.restart()
        self._running = True
        self._servo = ServoTarget(robot, conditions.motor_strength * conditions.gain, position)
        self._apply(Command(0.0, position, mode=CommandMode.HOLD))
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
            state = self._state = self._with_environment(
                self._sensors.measure(self._measure(), self._steps)
            )
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
        for _ in range(whole_steps(dt, self.spec.servo_rate, self.name)):
            while self._commands and self._commands[0][0] <= self._steps:
                self._in_force = self._commands.popleft()[1]
                self._apply(self._in_force)
            if self._supervisor:
                self._apply(self._supervisor(self._in_force, self.read(pictures=False), self.time))
            while self._pushes and self._pushes[0].time <= self.time:
                self._push(np.array(self._pushes.popleft().velocity))
            for name, course in self._courses.items():
                self._move(name, course.at(self.time))
            if self._servo.moves:
                self._servo.move()
                self._track(self._servo.position, self._servo.gains)
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
        self._servo.take(command, self._positions)
        self._track(self._servo.position, self._servo.gains)

    def _photograph(self, camera: Camera) -> Picture:
        picture, cloud = self._look(self._mounted[camera.name]), self.spec.cloud
        picture = self._sensors.expose(picture, camera.name, self._steps)
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
