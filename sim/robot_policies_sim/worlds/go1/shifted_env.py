"""Many quadrupeds that differ from their table as `go1_shifted` does, for training."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError, RobotSpec
from robot_policies_sim.scene.parameters import ranges as ranges_of
from robot_policies_sim.scene.randomization import UNVARIED, Randomization
from robot_policies_sim.worlds.go1.vector_env import Features, Go1VectorEnv

LONGEST = 2  # control periods of latency this environment can simulate


class ShiftedVectorEnv(Go1VectorEnv):
    """Robots that all differ from their table in the same way; nothing else is randomised."""

    def __init__(
        self,
        robot: RobotSpec,
        num_envs: int,
        conditions: Mapping[str, float],
        latency: tuple[int, int] = (0, 0),
        **options: Any,
    ) -> None:
        """Shift every model.

        Args:
            robot: A quadruped.
            num_envs: Robots simulated.
            conditions: As `Go1Shifted.conditions`.
            latency: Least and greatest latency, spread evenly over the robots. [control periods]
            **options: Of `Go1VectorEnv`.

        Raises:
            ConfigError: On a condition this environment cannot simulate.
        """
        low, high = latency
        if high > LONGEST:
            raise ConfigError(f"latency of {high} control periods, at most {LONGEST} in training")
        whole = round(robot.servo_rate / robot.control_rate)
        self._periods = low + np.arange(num_envs) % (high - low + 1)
        ranges = replace(shifted(conditions, robot), latency=(0, 0))
        super().__init__(robot, num_envs, randomization=ranges, **options)
        self._servo_latency = np.minimum(self._periods, 1) * whole
        self._held = np.zeros_like(self._fleet.target)

    def step(
        self, actions: np.ndarray
    ) -> tuple[Features, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Move all robots by one control step; see `Go1VectorEnv.step`."""
        targets = np.array(actions, dtype=np.float64)
        late = np.where((self._periods > 1)[:, None], self._held, targets)
        self._held[:] = targets
        self._fleet.latency[:] = self._servo_latency
        return super().step(late)

    def _changing(self) -> Features:
        return {**super()._changing(), "held": self._held}

    def _restart(self, which: np.ndarray) -> None:
        super()._restart(which)
        self._held[which] = self._fleet.target[which]


def shifted(conditions: Mapping[str, float], robot: RobotSpec) -> Randomization:
    """Return ranges of one value each.

    Args:
        conditions: Values of `PARAMETERS` by name.
        robot: The quadruped.

    Raises:
        ConfigError: On a condition that training does not draw.
    """
    return UNVARIED.within(ranges_of({n: (v, v) for n, v in conditions.items()}, robot))
