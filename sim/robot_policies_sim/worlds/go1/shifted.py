"""Walk where the robot is not what it was trained as: a stand-in for a real one.

Each shift alone is borne by a randomised policy; all together make it stumble. `go1_shifted` is
all of them, `go1_shifted/payload` one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError, TrainingEnvironment, UnknownNameError
from robot_policies.interface.task import Ranges
from robot_policies_sim.worlds.go1.walk import Go1Walk

LATENCY = "latency_steps"


class Go1Shifted(Go1Walk):
    """`Go1Walk` under conditions that the policy has not been told of.

    Attributes:
        conditions: What is different, see `robot_policies_sim.scene.conditions.EpisodeConditions`.
        latency: Least and greatest latency. [control periods]
    """

    def __init__(
        self,
        name: str,
        commands: Sequence[Sequence[float]],
        friction: tuple[float, float],
        shifts: Mapping[str, Mapping[str, Any]],
        variant: str = "",
        horizon: float = 10.0,
    ) -> None:
        """Choose the shifts.

        Args:
            name: Task name.
            commands: As of `Go1Walk`.
            friction: Range of the sliding coefficient, where it is not shifted.
            shifts: Conditions by the name of the shift; `latency_steps` may be a pair.
            variant: Name of one shift; all together if empty.
            horizon: Duration of a trial. [s]

        Raises:
            ConfigError: If there is no such shift, or a number cannot be.
        """
        if variant and variant not in shifts:
            raise UnknownNameError("shift", variant, shifts, "go1_shifted")
        chosen = [shifts[variant]] if variant else list(shifts.values())
        self.conditions = {key: value for shift in chosen for key, value in shift.items()}
        low, high = np.broadcast_to(np.array(self.conditions.pop(LATENCY, 0)), 2).tolist()
        self.latency = low, high
        if not (low == int(low) and high == int(high) and 0 <= low <= high):
            raise ConfigError(f"{name}: latency_steps {self.latency} must be whole, least first")
        super().__init__(name, commands, friction, horizon, self.conditions)

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Draw as `Go1Walk` does, and the latency."""
        low, high = self.latency
        drawn = np.random.default_rng([seed, 1]).integers(low, high + 1)
        return {**super().initial(seed), LATENCY: int(drawn)}

    def training_environment(
        self, n: int, seed: int, threads: int, ranges: Ranges | None = None
    ) -> TrainingEnvironment:
        """Return robots that walk as the trials do: the task stands for one robot and its work."""
        if ranges:
            raise ConfigError(f"task '{self.name}' draws nothing about its robots: {list(ranges)}")
        return self.trial_environment(n, seed, threads)

    def trial_environment(self, n: int, seed: int, threads: int) -> TrainingEnvironment:
        """Return robots that are all shifted alike, their latencies spread evenly."""
        from robot_policies_sim.worlds.go1.shifted_env import ShiftedVectorEnv

        return ShiftedVectorEnv(
            self._spec,
            n,
            self.conditions,
            self.latency,
            seed=seed,
            scene=self.scene,
            command=self.commands_in_turn(n),
            threads=threads,
        )
