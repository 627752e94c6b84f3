"""`gym/<EnvId>`: an episode of a Gymnasium environment, as the environment judges it.

`aloha/<name>` and `pusht/<name>` are the same for the environments of a public benchmark.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_policies.interface import Command, ConfigError, RobotState, Task, TrainingEnvironment
from robot_policies.interface.observation import TASK
from robot_policies.interface.task import Ranges
from robot_policies_sim.engines.gymnasium.robot import FAMILY, control_rate, make


class GymTask(Task):
    """A task whose world, initial states and end are the environment's."""

    goals: tuple[str, ...] = ()
    instruction = ""

    def __init__(
        self,
        name: str,
        variant: str = "",
        horizon: float | None = None,
        success_return: float | None = None,
        namespace: str = "",
    ) -> None:
        """Ask the environment what it is.

        Args:
            name: Task name.
            variant: Environment id.
            horizon: Longest duration [s]; by default what the environment is registered with.
            success_return: Sum of rewards from which on an episode is a success; by default the
                `reward_threshold` the environment is registered with. Where there is none and
                the environment reports no success, one that was not terminated counts as one.
            namespace: Put before the variant, which is then without it.

        Raises:
            ConfigError: If there is no such environment, or its length is not known.
        """
        if not variant:
            raise ConfigError(f"{name}: name the environment, such as gym/Pendulum-v1")
        variant = f"{namespace}/{variant}" if namespace else variant
        env = make(variant)
        try:
            known, rate = env.spec, control_rate(env, variant)
        finally:
            env.close()
        steps = known.max_episode_steps if known else None
        if horizon is None and steps is None:
            raise ConfigError(f"{name}: the environment has no longest episode; give 'horizon'")
        self.name, self.robot = name, f"{FAMILY}/{variant}"
        # One step more than the environment's: the state after the last action is seen too.
        self.horizon = horizon if horizon is not None else ((steps or 0) + 1) / rate
        self.scene: Mapping[str, Any] = {}
        self._environment = variant
        threshold = known.reward_threshold if known else None
        self._success_return = threshold if success_return is None else success_return

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Return the seed: the environment draws its own initial state from it."""
        return {"seed": int(seed)}

    def start(self, initial: Mapping[str, Any]) -> "GymTrial":
        """Begin a trial."""
        return GymTrial(self.horizon, self._success_return, self.instruction)

    def training_environment(
        self, n: int, seed: int, threads: int, ranges: Ranges | None = None
    ) -> TrainingEnvironment:
        """Return copies of the environment, which run one after the other in one thread."""
        if ranges:
            raise ConfigError(f"task '{self.name}' draws nothing about its robots: {list(ranges)}")
        from robot_policies_sim.engines.gymnasium.vector_env import GymnasiumVectorEnv

        return GymnasiumVectorEnv(self._environment, n, seed=seed)


class GymTrial:
    """One episode."""

    def __init__(
        self, horizon: float, success_return: float | None, instruction: str = ""
    ) -> None:
        """Start with nothing seen.

        Args:
            horizon: Longest duration. [s]
            success_return: See `GymTask`.
            instruction: What is asked for; empty where there is no choice.
        """
        self._horizon, self._success_return = horizon, success_return
        self._instruction = instruction
        self._time = 0.0
        self._truth: Mapping[str, np.ndarray] = {}

    def goal(self, now: float) -> Mapping[str, np.ndarray | str]:
        """Return the instruction, if any; where things go is in the observation."""
        return {TASK: self._instruction} if self._instruction else {}

    def observe(self, state: RobotState, command: Command | None) -> None:
        """Take note of one control step."""
        self._time, self._truth = state.stamp, state.truth

    def done(self) -> bool:
        """Return whether the environment ended the episode."""
        return self._said("terminated") or self._said("truncated")

    def progress(self) -> float:
        """Return the share of the longest duration that has passed."""
        return min(self._time / self._horizon, 1.0)

    def metrics(self) -> Mapping[str, float]:
        """Return `success`, `return` (sum of rewards) and `length` (steps)."""
        total = self._number("return")
        if "success" in self._truth:
            success = self._said("success")
        elif self._success_return is not None:
            success = total >= self._success_return
        else:
            success = not self._said("terminated")
        return {
            "success": float(success),
            "return": total,
            "length": self._number("length"),
        }

    def _number(self, name: str) -> float:
        return float(self._truth[name][0]) if name in self._truth else 0.0

    def _said(self, name: str) -> bool:
        return self._number(name) > 0.0
