"""Many copies of a MuJoCo task of Gymnasium, for training; one of them is `GymnasiumBackend`.

Features are the task's own observation, as float32. Episodes end by `terminated` or by the time
limit the task is registered with and restart within the same step; `info["final_obs"]` holds the
features before the restart.
"""

import json
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from robot_policies.documents import parse_json
from robot_policies.interface import ConfigError
from robot_policies_sim.engines.gymnasium.robot import make

OBSERVATION = "observation"
STATE = mujoco.mjtState.mjSTATE_INTEGRATION  # all that the next step depends on

Features = dict[str, np.ndarray]


class GymnasiumVectorEnv:
    """`num_envs` copies of a task, `N`, one after the other in this process.

    Attributes:
        num_envs: Copies.
        observation_width: Numbers in an observation.
        action_width: Numbers in an action.
        limit: Longest episode. [steps]
    """

    def __init__(self, name: str, num_envs: int, *, seed: int = 0) -> None:
        """Make the copies.

        Args:
            name: Environment id, such as `Hopper-v5`.
            num_envs: Copies.
            seed: Seeds all of them.

        Raises:
            ConfigError: If there is no such task, it is not simulated by MuJoCo, or its actions
                are other than [-1, 1].
        """
        if num_envs < 1:
            raise ConfigError(f"num_envs must be > 0, got {num_envs}")
        first = make(name)
        if first.spec is None or first.spec.max_episode_steps is None:
            raise ConfigError(f"gym/{name}: its longest episode is not known")
        self.num_envs, self.limit = num_envs, first.spec.max_episode_steps
        tasks: list[Any] = [first.unwrapped, *(make(name).unwrapped for _ in range(num_envs - 1))]
        if not isinstance(getattr(tasks[0], "model", None), mujoco.MjModel):
            raise ConfigError(f"gym/{name}: not simulated by MuJoCo")
        box = first.action_space
        if not (np.all(box.low == -1.0) and np.all(box.high == 1.0)):  # pyright: ignore
            raise ConfigError(f"gym/{name}: actions lie in {box}, expected [-1, 1]")
        self._tasks, self._seed = tasks, seed
        self.observation_width = int(np.prod(first.observation_space.shape or ()))
        self.action_width = int(np.prod(box.shape or ()))
        self._elapsed = np.zeros(num_envs, dtype=np.int64)
        self._observation = np.zeros((num_envs, self.observation_width), np.float32)

    def set_difficulty(self, share: float) -> None:
        """Do nothing: the reward is the task's."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Features, dict[str, Any]]:
        """Restart every copy.

        Args:
            seed: Restarts the sources of chance if given.
            options: `steps`: the time limit of all episodes from now on.

        Returns:
            Features, each (N, width), and an empty mapping.
        """
        seeds = np.random.SeedSequence(self._seed if seed is None else seed)
        for i, chance in enumerate(seeds.generate_state(self.num_envs)):
            self._observation[i], _ = self._tasks[i].reset(seed=int(chance))
        self._elapsed[:] = 0
        self.limit = (options or {}).get("steps", self.limit)
        return self._features(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[Features, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Move every copy by one step.

        Args:
            actions: Shape (N, A), within [-1, 1].

        Returns:
            Features (N, width); reward, terminated and truncated (N,); info with `final_obs`, the
            features before any restart.
        """
        reward, terminated = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=bool)
        for i, (task, action) in enumerate(zip(self._tasks, actions, strict=True)):
            self._observation[i], reward[i], terminated[i], _, _ = task.step(action)
        self._elapsed += 1
        truncated = (self._elapsed >= self.limit) & ~terminated
        final = self._features()
        for i in np.flatnonzero(terminated | truncated):
            self._observation[i], _ = self._tasks[i].reset()
            self._elapsed[i] = 0
        return self._features(), reward, terminated, truncated, {"final_obs": final}

    def snapshot(self) -> tuple[Features, str]:
        """Return all that changes over time, as arrays and as JSON of the sources of chance."""
        states = []
        for task in self._tasks:
            state = np.zeros(mujoco.mj_stateSize(task.model, STATE))
            mujoco.mj_getState(task.model, task.data, state, STATE)
            states.append(state)
        chance = [task.np_random.bit_generator.state for task in self._tasks]
        arrays = {
            "state": np.stack(states),
            "elapsed": self._elapsed.copy(),
            "observation": self._observation.copy(),
        }
        return arrays, json.dumps(chance)

    def restore(self, arrays: Mapping[str, np.ndarray], chance: str) -> Features:
        """Continue where `snapshot` was taken and return the features of that moment.

        Raises:
            ConfigError: If the snapshot is of another number of copies.
        """
        drawn = parse_json(chance)
        if len(drawn) != self.num_envs:
            raise ConfigError(f"snapshot of {len(drawn)} copies, this has {self.num_envs}")
        for task, state, generator in zip(self._tasks, arrays["state"], drawn, strict=True):
            mujoco.mj_setState(task.model, task.data, state, STATE)
            task.np_random.bit_generator.state = generator
        self._elapsed = arrays["elapsed"].copy()
        self._observation = arrays["observation"].copy()
        return self._features()

    def close(self) -> None:
        """End the copies."""
        for task in self._tasks:
            task.close()

    def _features(self) -> Features:
        return {OBSERVATION: self._observation.copy()}
