"""Many simulated quadrupeds at once, for training: commands, rewards and episodes.

Observations are the contract's features in SI units, batched, so that what a policy sees in
training, in `run_episode` and on a robot is made of the same numbers. No base velocity among them.

Episodes end by a fall (`terminated`) or a time limit (`truncated`) and restart within the same
step; `info["final_obs"]` holds the features before the restart.
"""

import json
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from robot_policies.documents import parse_json
from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.gravity import has_fallen
from robot_policies.interface.observation import COMMAND, IMU, STATE, VELOCITY_COMMAND
from robot_policies_sim.scene.randomization import Randomization
from robot_policies_sim.worlds.go1.fleet import Fleet
from robot_policies_sim.worlds.go1.reward import (
    HIGHEST,
    LOWEST,
    TRACK,
    WALK,
    Weights,
    blend,
    terms,
)

STANDING_SHARE = 0.1  # of commands that ask to stand
COMMAND_STEPS = 250  # 5 s between two commands
EPISODE_STEPS = 1000  # 20 s

Features = dict[str, np.ndarray]


class Go1VectorEnv(VectorEnv):
    """`num_envs` quadrupeds that follow velocity commands; letters: `N` of them, `J` joints."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        robot: RobotSpec,
        num_envs: int = 192,
        *,
        seed: int = 0,
        scene: Mapping[str, Any] | None = None,
        randomization: Randomization | None = None,
        command: np.ndarray | None = None,
        threads: int = 2,
    ) -> None:
        """Make the models; each robot keeps its physical parameters for life.

        Args:
            robot: A quadruped.
            num_envs: Robots simulated.
            seed: Seeds everything that is drawn.
            scene: World description, see `robot_policies_sim.scene.world.World`.
            randomization: Ranges drawn from; default ranges if not given.
            command: Fixed commands instead of drawn ones. Shape (N, 3) or (3,). [m/s, rad/s]
            threads: Physics threads.
        """
        if num_envs < 1 or threads < 1:
            raise ConfigError(f"num_envs {num_envs} and threads {threads} must be > 0")
        self.robot, self.num_envs, self.threads = robot, num_envs, threads
        self.ranges = randomization or Randomization()
        self.weights: Weights = WALK
        self._limit = EPISODE_STEPS
        self._command = command
        self._rng = np.random.default_rng(seed)
        self._dt = 1.0 / robot.control_rate
        self._fleet = Fleet(robot, num_envs, scene or {}, self.ranges, self._rng, threads)
        self._goal = np.zeros((num_envs, 3))
        self._time = np.zeros(num_envs, dtype=np.int64)  # control steps since the restart
        self._steps_left = np.full(num_envs, EPISODE_STEPS)
        self.single_observation_space = _features_of(len(robot.joints))
        self.single_action_space = gymnasium.spaces.Box(
            robot.lower.astype(np.float32), robot.upper.astype(np.float32)
        )
        batch = gymnasium.vector.utils.batch_space
        self.observation_space = batch(self.single_observation_space, num_envs)
        self.action_space = batch(self.single_action_space, num_envs)

    def set_difficulty(self, share: float) -> None:
        """Move the reward from learning to walk (0) to walking at the commanded speed (1)."""
        self.weights = blend(WALK, TRACK, share)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Features, dict[str, Any]]:
        """Restart every robot at a random time before its time limit, so that they do not agree.

        Args:
            seed: Restarts the source of chance if given.
            options: `steps`: the time limit of all episodes from now on, the first ones whole.

        Returns:
            Features, each (N, width), and an empty mapping.
        """
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        steps = (options or {}).get("steps")
        self._limit = EPISODE_STEPS if steps is None else steps
        self._restart(np.ones(self.num_envs, dtype=bool))
        if steps is None:
            self._steps_left[:] = self._rng.integers(1, self._limit + 1, self.num_envs)
        return self._features(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[Features, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Move all robots by one control step.

        Args:
            actions: Joint targets. Shape (N, J). [rad]

        Returns:
            Features (N, width); reward, terminated and truncated (N,); info with `final_obs` if
            an episode ended, the mean of each reward term, `speed_error` [m/s] and the
            `walk_step`.
        """
        targets = np.array(actions, dtype=np.float64)  # a restart writes into it
        self._time += 1
        self._steps_left -= 1
        step, broken = self._fleet.step(targets, self._goal.copy(), self._time * self._dt)
        parts = terms(step, self.weights)
        reward = np.maximum(sum(parts.values()), 0.0)
        fallen = broken | has_fallen(step.gravity[:, 2], step.height)
        timeout = (self._steps_left <= 0) & ~fallen
        error = np.linalg.norm(step.command[:, :2] - step.velocity[:, :2], axis=1)
        info: dict[str, Any] = {
            "terms": {name: float(part.mean()) for name, part in parts.items()},
            "speed_error": float(error.mean()),
            "walk_step": step,
        }
        done = fallen | timeout
        if done.any():
            info["final_obs"] = self._features()
            self._restart(done)
        self._disturb(done)
        return self._features(), reward, fallen, timeout, info

    def snapshot(self) -> tuple[Features, str]:
        """Return all that changes over time, as arrays and as JSON of the source of chance."""
        arrays = {name: array.copy() for name, array in self._changing().items()}
        return arrays, json.dumps(self._rng.bit_generator.state)

    def restore(self, arrays: Mapping[str, np.ndarray], chance: str) -> Features:
        """Continue where `snapshot` was taken and return the features of that moment.

        Sensor noise is drawn anew for these features; give the ones seen then to a policy.

        Raises:
            ConfigError: If the snapshot is of another number of robots.
        """
        count = len(arrays["time"])
        if count != self.num_envs:
            raise ConfigError(f"snapshot of {count} robots, this environment has {self.num_envs}")
        for name, array in self._changing().items():
            array[...] = arrays[name]
        features = self._features()
        self._rng.bit_generator.state = parse_json(chance)
        return features

    def close_extras(self, **kwargs: Any) -> None:
        """End the physics threads."""
        self._fleet.close()

    def _changing(self) -> Features:
        own = {"goal": self._goal, "time": self._time, "steps_left": self._steps_left}
        return own | {name: getattr(self._fleet, name) for name in Fleet.changing}

    def _restart(self, which: np.ndarray) -> None:
        self._fleet.place(which, self._rng)
        self._time[which] = 0
        self._steps_left[which] = self._limit
        self._draw_command(which)

    def _disturb(self, restarted: np.ndarray) -> None:
        """Push some robots, and give those whose time has come another command."""
        due = (self._time % COMMAND_STEPS == 0) & ~restarted
        if due.any():
            self._draw_command(due)
        kicked = self._rng.random(self.num_envs) < self._dt / self.ranges.push_interval
        kick = self._rng.uniform(-self.ranges.push, self.ranges.push, (self.num_envs, 2))
        self._fleet.push(kick * (kicked & ~restarted)[:, None])

    def _draw_command(self, which: np.ndarray) -> None:
        count = int(which.sum())
        low, high = self.ranges.latency
        self._fleet.latency[which] = self._rng.integers(low, high + 1, count)
        drawn = self._rng.uniform(LOWEST, HIGHEST, (count, 3))
        drawn[self._rng.random(count) < STANDING_SHARE] = 0.0
        if self._command is None:
            self._goal[which] = drawn
        else:
            self._goal[which] = np.broadcast_to(self._command, self._goal.shape)[which]

    def _features(self) -> Features:
        read = self._fleet.read(self._rng)
        return {**read, VELOCITY_COMMAND: self._goal.astype(np.float32)}


def _features_of(joints: int) -> gymnasium.spaces.Dict:
    widths = {STATE: 2 * joints, IMU: 10, VELOCITY_COMMAND: 3, COMMAND: joints}
    box = gymnasium.spaces.Box
    return gymnasium.spaces.Dict(
        {name: box(-np.inf, np.inf, (width,), np.float32) for name, width in widths.items()}
    )
