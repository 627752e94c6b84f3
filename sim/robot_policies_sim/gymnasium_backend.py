"""Any Gymnasium environment with a box of actions as a robot.

The environment's action becomes the robot's joints, named `action.0`, `action.1`, ..., with the
limits of the action space; where they are "joints" in no other sense, their position is the last
action applied and their velocity its rate of change. The robot's table is made from the
environment, so `gymnasium/<EnvId>` names a robot without a file.

Vector observations are the feature `observation.environment_state` (a dictionary's entries
`observation.<key>`), images `observation.images.<key>`. Reward, return, number of steps, the two
ends and the environment's own judgement of success are truth.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from robot_policies.interface import (
    ActionKind,
    ArraySpec,
    BackendError,
    Command,
    CommandMode,
    ConfigError,
    RobotSpec,
    RobotState,
)
from robot_policies.interface.observation import IMAGES, STATE
from robot_policies.interface.robot import Gains, Joint
from robot_policies.interface.schema import check_keys

FAMILY = "gymnasium"
ENVIRONMENT_STATE = "observation.environment_state"  # LeRobot's name
INITIAL_KEYS = ("seed", "options", "goal")
UNLIMITED = 1e9  # an environment has no limit on how fast an action changes
SUCCESS_KEYS = ("is_success", "success")  # where environments put it in `info`


class GymnasiumBackend:
    """A `Simulator` around a Gymnasium environment.

    Attributes:
        spec: The robot the environment was made into.
        provides: Streams, by feature name.
        accepts: `joint_position`: the action itself.
    """

    accepts = frozenset({ActionKind.JOINT_POSITION})

    def __init__(
        self,
        spec: RobotSpec,
        scene: Mapping[str, Any],
        environment: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the environment, to know its spaces.

        Args:
            spec: A robot named `gymnasium/<EnvId>`.
            scene: Unused; the environment is its own world.
            environment: Keyword arguments of the environment.

        Raises:
            ConfigError: If the robot is no environment, or the environment cannot be a robot.
        """
        family, _, name = spec.name.partition("/")
        if family != FAMILY or not name:
            raise ConfigError(
                f"gymnasium: '{spec.name}' is no environment; use a task gym/<EnvId>"
            )
        self.spec, self._name = spec, name
        self._env = make(name, render_mode="rgb_array", **(environment or {}))
        self._space = action_space(self._env, name)
        features = dict(_features(self._env.observation_space, name))
        self._keys = {feature: key for feature, (key, _) in features.items()}
        self.provides = {
            STATE: spec.streams[STATE],
            **{feature: array for feature, (_, array) in features.items()},
        }
        self._connected = self._running = False

    def connect(self) -> None:
        """Do nothing yet: `reset` starts the environment."""
        self._connected = True

    def reset(self, seed: int, options: Mapping[str, Any]) -> RobotState:
        """Start an episode at time 0.

        Args:
            seed: Seeds the environment, unless `options` has a `seed`.
            options: `seed`, and `options` for the environment's own `reset`.

        Raises:
            BackendError: If the backend is not connected.
            ConfigError: On an unknown key.
        """
        if not self._connected:
            raise BackendError("gymnasium: reset before connect")
        check_keys(options, INITIAL_KEYS, "initial")
        own = dict(options.get("options", {}))
        observed, info = self._env.reset(seed=int(options.get("seed", seed)), options=own)
        self._steps, self._return, self._reward = 0, 0.0, 0.0
        self._ends = False, False
        self._before = self._action = self.spec.default.copy()
        self._target = self._action
        self._running = True
        self._state = self._measure(observed, info)
        return self._state

    def read(self) -> RobotState:
        """Return the newest observation.

        Raises:
            BackendError: Before the first `reset`.
        """
        self._require_running("read")
        return self._state

    def write(self, command: Command) -> Command:
        """Set the action of the next steps; a damping command keeps the last one.

        Raises:
            BackendError: If the environment has no such action. Nothing is clipped here.
        """
        self._require_running("write")
        if command.kind not in self.accepts:
            raise BackendError(f"gymnasium: no {command.kind} actions, only joint_position")
        values = np.asarray(command.values, np.float64)
        if values.shape != self.spec.lower.shape:
            raise BackendError(
                f"gymnasium: action of shape {values.shape}, expected {self.spec.lower.shape}"
            )
        allowed = np.isfinite(values)
        if command.mode is not CommandMode.DAMP:
            allowed &= (self.spec.lower <= values) & (values <= self.spec.upper)
        if not allowed.all():
            i = int(np.argmin(allowed))
            raise BackendError(
                f"gymnasium: action.{i} = {values[i]:g} is outside "
                f"[{self.spec.lower[i]:g}, {self.spec.upper[i]:g}]"
            )
        if command.mode is not CommandMode.DAMP:
            self._target = values
        return command

    def advance(self, dt: float) -> None:
        """Step the environment once per control period.

        Raises:
            BackendError: If `dt` is no multiple of the period, or the episode has ended.
        """
        self._require_running("advance")
        steps = dt * self.spec.control_rate
        if not (np.isfinite(steps) and round(steps) >= 1 and abs(steps - round(steps)) < 1e-6):
            raise BackendError(
                f"gymnasium: cannot advance {dt:g} s, no multiple of the step "
                f"{1.0 / self.spec.control_rate:g} s"
            )
        for _ in range(round(steps)):
            if any(self._ends):
                raise BackendError(
                    f"gymnasium: {self._name} ended after {self._steps} steps; reset it first"
                )
            self._before, self._action = self._action, self._target
            action = self._action.reshape(self._space.shape).astype(self._space.dtype)
            observed, reward, terminated, truncated, info = self._env.step(action)
            self._steps += 1
            self._reward = float(reward)
            self._return += self._reward
            self._ends = bool(terminated), bool(truncated)
            self._state = self._measure(observed, info)

    def stop(self, reason: str) -> None:
        """Do nothing: an environment has no actuators to relax."""

    def close(self) -> None:
        """End the episode; the environment itself lives as long as this object."""
        self._connected = self._running = False

    def render(self, width: int, height: int) -> np.ndarray:
        """Return the environment's own picture, scaled. Shape (height, width, 3), uint8 RGB.

        Raises:
            BackendError: If the environment cannot draw.
        """
        self._require_running("render")
        try:
            picture = self._env.render()
        except (gym.error.Error, ImportError) as error:
            reason = " ".join(str(error).split())
            raise BackendError(f"gymnasium: {self._name} cannot draw: {reason}") from None
        if not isinstance(picture, np.ndarray) or picture.ndim != 3:
            raise BackendError(f"gymnasium: {self._name} draws no image")
        rows = np.arange(height) * picture.shape[0] // height
        columns = np.arange(width) * picture.shape[1] // width
        return np.ascontiguousarray(picture[rows][:, columns, :3], np.uint8)

    def _measure(self, observed: Any, info: Mapping[str, Any]) -> RobotState:
        now = self._steps / self.spec.control_rate
        features = {}
        for feature, key in self._keys.items():
            value = observed
            for part in key:
                value = value[part]
            value = np.asarray(value)
            image = feature.startswith(IMAGES)
            features[feature] = value.copy() if image else value.ravel().astype(np.float32)
        truth = {
            "reward": self._reward,
            "return": self._return,
            "length": self._steps,
            "terminated": self._ends[0],
            "truncated": self._ends[1],
        }
        judged = [info[key] for key in SUCCESS_KEYS if key in info]
        if judged:
            truth["success"] = judged[0]
        position = self._action.copy()
        velocity = (self._action - self._before) * self.spec.control_rate
        for array in (position, velocity, *features.values()):
            array.setflags(write=False)  # a reader cannot move the robot
        return RobotState(
            stamp=now,
            joint_position=position,
            joint_velocity=velocity,
            features=features,
            stamps=dict.fromkeys(features, now),
            truth={name: np.atleast_1d(np.float64(value)) for name, value in truth.items()},
        )

    def _require_running(self, verb: str) -> None:
        if not self._running:
            raise BackendError(f"gymnasium: {verb} before reset")


def make(name: str, **options: Any) -> gym.Env:
    """Make an environment.

    Raises:
        ConfigError: If Gymnasium has no such environment, or something it needs is missing.
    """
    try:
        return gym.make(name, **options)
    except (gym.error.Error, ImportError, TypeError) as error:
        raise ConfigError(f"gym/{name}: {' '.join(str(error).split())}") from None


def environment_robot(name: str) -> RobotSpec:
    """Return the table of the robot an environment is.

    Args:
        name: Environment id.

    Raises:
        ConfigError: If there is no such environment, its actions are no box, or it says no rate.
    """
    env = make(name)
    try:
        space, rate = action_space(env, name), control_rate(env, name)
    finally:
        env.close()
    lower, upper = space.low.ravel().astype(np.float64), space.high.ravel().astype(np.float64)
    joints = tuple(
        Joint(
            f"action.{i}",
            max(low, -UNLIMITED),
            min(high, UNLIMITED),
            velocity=UNLIMITED,
            acceleration=UNLIMITED,
            jerk=UNLIMITED,
            effort=UNLIMITED,
            default=min(max(0.0, low), high),
        )
        for i, (low, high) in enumerate(zip(lower, upper, strict=True))
    )
    none = Gains(np.zeros(len(joints)), np.zeros(len(joints)))
    return RobotSpec(
        name=f"{FAMILY}/{name}",
        joints=joints,
        links=(),
        gains={mode: none for mode in ("policy", "hold", "damp")},
        control_rate=rate,
        servo_rate=rate,
        floating_base=False,
    )


def action_space(env: gym.Env, name: str) -> gym.spaces.Box:
    """Return the environment's actions.

    Raises:
        ConfigError: If they are no box of floats.
    """
    space = env.action_space
    if not isinstance(space, gym.spaces.Box) or space.dtype.kind != "f":
        raise ConfigError(f"gym/{name}: actions are {space}; only a Box of floats can be a robot")
    return space


def control_rate(env: gym.Env, name: str) -> float:
    """Return steps per second: the environment's `dt` if it has one, else its `render_fps`.

    Raises:
        ConfigError: If it says neither.
    """
    dt, fps = getattr(env.unwrapped, "dt", None), env.metadata.get("render_fps")
    if isinstance(dt, float | int) and dt > 0:
        return round(1.0 / float(dt), 9)
    if fps:
        return float(fps)
    raise ConfigError(f"gym/{name}: neither 'dt' nor metadata['render_fps'] says its step time")


def _features(
    space: gym.Space, name: str, key: tuple[str, ...] = ()
) -> list[tuple[str, tuple[tuple[str, ...], ArraySpec]]]:
    """Return feature names with the path into the observation and the spec."""
    if isinstance(space, gym.spaces.Dict):
        return [
            entry
            for part, inner in space.spaces.items()
            for entry in _features(inner, name, (*key, str(part)))
        ]
    if not isinstance(space, gym.spaces.Box):
        where = ".".join(key) or "observation"
        raise ConfigError(f"gym/{name}: {where} is {space}; only Box and Dict can be read")
    label = "_".join(key)
    if space.dtype == np.uint8 and len(space.shape) == 3:
        feature = f"{IMAGES}.{label or 'camera'}"
        return [(feature, (key, ArraySpec(feature, space.shape, np.dtype(np.uint8))))]
    feature = f"observation.{label}" if label else ENVIRONMENT_STATE
    feature = f"{ENVIRONMENT_STATE}.{label}" if feature == STATE else feature
    width = int(np.prod(space.shape))
    names = tuple(f"{label or 'state'}.{i}" for i in range(width))
    return [(feature, (key, ArraySpec(feature, (width,), names=names)))]
