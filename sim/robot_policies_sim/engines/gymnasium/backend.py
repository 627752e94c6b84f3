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
    BackendError,
    Command,
    CommandMode,
    ConfigError,
    RobotSpec,
    RobotState,
    without_pictures,
)
from robot_policies.interface.observation import STATE
from robot_policies.interface.schema import check_keys
from robot_policies_sim.engines.gymnasium.observation import features, read
from robot_policies_sim.engines.gymnasium.robot import FAMILY, action_space, make
from robot_policies_sim.engines.steps import whole_steps

INITIAL_KEYS = ("seed", "options", "goal")
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
            scene: `environment`, its id, where the robot is the same in several.
            environment: Keyword arguments of the environment.

        Raises:
            ConfigError: If the robot is no environment, or the environment cannot be a robot.
        """
        family, _, name = spec.name.partition("/")
        if family != FAMILY or not name:
            raise ConfigError(
                f"gymnasium: '{spec.name}' is no environment; use a task gym/<EnvId>"
            )
        self.spec, self._name = spec, str(scene.get("environment", name))
        self._env = make(self._name, render_mode="rgb_array", **(environment or {}))
        self._space = action_space(self._env, self._name)
        streams = dict(features(self._env.observation_space, self._name))
        self._keys = {feature: key for feature, (key, _) in streams.items()}
        self.provides = {
            STATE: spec.streams[STATE],
            **{feature: array for feature, (_, array) in streams.items()},
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

    def read(self, pictures: bool = True) -> RobotState:
        """Return the newest observation; an environment draws its pictures with every step.

        Raises:
            BackendError: Before the first `reset`.
        """
        self._require_running("read")
        return self._state if pictures else without_pictures(self._state)

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
        for _ in range(whole_steps(dt, self.spec.control_rate, "gymnasium")):
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
        """Return what is known: the action as position, and (a - a') rate as its velocity."""
        now = self._steps / self.spec.control_rate
        seen = read(observed, self._keys)
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
        for array in (position, velocity, *seen.values()):
            array.setflags(write=False)  # a reader cannot move the robot
        return RobotState(
            stamp=now,
            joint_position=position,
            joint_velocity=velocity,
            features=seen,
            stamps=dict.fromkeys(seen, now),
            truth={name: np.atleast_1d(np.float64(value)) for name, value in truth.items()},
        )

    def _require_running(self, verb: str) -> None:
        if not self._running:
            raise BackendError(f"gymnasium: {verb} before reset")
