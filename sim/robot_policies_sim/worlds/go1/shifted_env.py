"""The vectorised environment of a walking task: randomised, or shifted as `go1_shifted` is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError, RobotSpec, Task
from robot_policies_sim.scene.randomization import NONE, Randomization
from robot_policies_sim.worlds.go1.shifted import Go1Shifted
from robot_policies_sim.worlds.go1.vector_env import Features, Go1VectorEnv
from robot_policies_sim.worlds.go1.walk import Go1Walk

LONGEST = 2  # control periods of latency this environment can simulate
PERIODS = 2  # robots in a row that share a command


def make_environment(
    task: Task,
    robot: RobotSpec,
    num_envs: int,
    *,
    seed: int,
    threads: int,
    judged: bool = False,
) -> Go1VectorEnv:
    """Return what a policy is trained in for a task.

    Args:
        task: A walking task.
        robot: A quadruped.
        num_envs: Robots simulated.
        seed: Seeds everything that is drawn.
        threads: Physics threads.
        judged: Walk as the task's trials do: its commands in turn, one for each robot, and
            nothing randomised. Otherwise commands are drawn. A shifted task stands for one robot
            and what it has to do, so that it is always walked as its trials are.

    Raises:
        ConfigError: If trials are asked for of a task that has no commands.
    """
    common: dict[str, Any] = {"seed": seed, "scene": task.scene, "threads": threads}
    if judged or isinstance(task, Go1Shifted):
        if not isinstance(task, Go1Walk):
            raise ConfigError(f"{task.name} has no velocity commands")
        # Neighbours share a command, so that each is met by every latency.
        turn = np.arange(num_envs) // PERIODS % len(task.commands)
        common["command"] = np.array(task.commands)[turn]
    if isinstance(task, Go1Shifted):
        return ShiftedVectorEnv(robot, num_envs, task.conditions, task.latency, **common)
    if judged:
        common["randomization"] = NONE
    return Go1VectorEnv(robot, num_envs, **common)


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
        ranges = replace(shifted(conditions), latency=(0, 0))
        super().__init__(robot, num_envs, randomization=ranges, **options)
        self._servo_latency = np.minimum(self._periods, 1) * whole

    def step(
        self, actions: np.ndarray
    ) -> tuple[Features, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Move all robots by one control step; see `Go1VectorEnv.step`."""
        targets = np.array(actions, dtype=np.float64)
        late = np.where((self._periods > 1)[:, None], self._held, targets)
        self._held = targets
        self._latency[:] = self._servo_latency
        return super().step(late)

    _changing = (*Go1VectorEnv._changing, "held")

    def _allocate(self) -> None:
        super()._allocate()
        self._held = np.zeros_like(self._target)

    def _restart(self, which: np.ndarray) -> None:
        super()._restart(which)
        self._held[which] = self._target[which]


def shifted(conditions: Mapping[str, float]) -> Randomization:
    """Return ranges of one value each.

    Raises:
        ConfigError: On a condition that has no range.
    """
    given = dict(conditions)
    strength = given.pop("motor_strength", 1.0)
    ranges = {"gain": (strength, strength), "strength": (strength, strength)}
    for name in ("friction", "softness", "payload"):
        if name in given:
            value = given.pop(name)
            ranges[name] = (value, value)
    if given:
        raise ConfigError(f"cannot train under {sorted(given)}")
    return replace(NONE, **ranges)
