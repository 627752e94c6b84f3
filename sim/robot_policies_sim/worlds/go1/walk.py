"""Walk as commanded: velocity tracking on flat ground, without falling."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.interface import (
    ConfigError,
    ContractError,
    Task,
    TrainingEnvironment,
)
from robot_policies.interface.observation import GOAL_STREAMS, VELOCITY_COMMAND
from robot_policies.interface.schema import vector
from robot_policies.interface.task import Ranges
from robot_policies_sim.scene.conditions import GOAL
from robot_policies_sim.scene.randomization import UNVARIED, Randomization
from robot_policies_sim.worlds.go1.recorded import recorded_reward
from robot_policies_sim.worlds.go1.reward import HIGHEST, LOWEST
from robot_policies_sim.worlds.go1.trial import Go1WalkTrial

JOINT_SPREAD = 0.05  # rad, initial joint positions about the default pose
VELOCITY_SPREAD = 0.1  # m/s and rad/s, initial velocities of the base
SHARING = 2  # robots in a row of a training environment that share a command
CLEARANCE = 0.01  # m the base starts higher, so that no leg starts in the ground


class Go1Walk(Task):
    """Ten seconds of one command.

    Attributes:
        commands: Forward [m/s], left [m/s], turn [rad/s]; the seed picks one in turn.
    """

    goals = (VELOCITY_COMMAND,)

    def __init__(
        self,
        name: str,
        commands: Sequence[Sequence[float]],
        friction: tuple[float, float],
        horizon: float = 10.0,
        conditions: Mapping[str, Any] | None = None,
        robot: str = "go1",
        lower: Sequence[float] = tuple(LOWEST),
        upper: Sequence[float] = tuple(HIGHEST),
    ) -> None:
        """Set the distribution of trials.

        Args:
            name: Task name.
            commands: Forward [m/s], left [m/s], turn [rad/s]; the seed picks one in turn.
            friction: Range of the sliding coefficient.
            horizon: Duration of a trial. [s]
            conditions: What `EpisodeConditions` differ in every trial, such as `payload`.
            robot: A quadruped with Unitree's names of joints and feet.
            lower: Least command there may be. [m/s, m/s, rad/s]
            upper: Greatest command there may be. [m/s, m/s, rad/s]

        Raises:
            ConfigError: If a command or a range cannot be, or a command is out of bounds.
        """
        self.name, self.horizon, self.robot = name, horizon, robot
        bounds = {
            key: vector(bound, 3, f"{name}: {key}")
            for key, bound in (("lower", lower), ("upper", upper))
        }
        stream = replace(GOAL_STREAMS[VELOCITY_COMMAND], **bounds)
        self.goal_streams = {VELOCITY_COMMAND: stream}
        self.scene: Mapping[str, Any] = {}
        self.commands = [vector(c, 3, f"{name}: commands[{i}]") for i, c in enumerate(commands)]
        for i, command in enumerate(self.commands):
            try:
                stream.validate(command)
            except ContractError as error:
                raise ConfigError(f"{name}: commands[{i}]: {error}") from None
        self._friction = vector(friction, 2, f"{name}: friction")
        self._conditions = dict(conditions or {})
        if not self.commands or not 0.0 <= self._friction[0] <= self._friction[1]:
            raise ConfigError(f"{name}: needs a command, and friction {friction} to be a range")
        self._spec = load_robot(self.robot)

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Draw friction, pose and velocity of the seed; its command is the next in the list."""
        rng, spec = np.random.default_rng(seed), self._spec
        offsets = rng.uniform(-JOINT_SPREAD, JOINT_SPREAD, len(spec.joints))
        position = np.clip(spec.default + offsets, spec.lower, spec.upper)
        spread = rng.uniform(-VELOCITY_SPREAD, VELOCITY_SPREAD, 6)
        return {
            GOAL: {VELOCITY_COMMAND: self.commands[seed % len(self.commands)].tolist()},
            "friction": rng.uniform(*self._friction),
            "base_position": [0.0, 0.0, spec.base_height + CLEARANCE],
            "base_velocity": spread[:3].tolist(),
            "base_angular_velocity": spread[3:].tolist(),
            "joint_position": dict(zip(spec.joint_names, position.tolist(), strict=True)),
            **self._conditions,
        }

    def start(self, initial: Mapping[str, Any]) -> Go1WalkTrial:
        """Begin a trial with the command of an initial condition."""
        command = vector(initial[GOAL][VELOCITY_COMMAND], 3, f"{self.name}: {VELOCITY_COMMAND}")
        return Go1WalkTrial(command, self.horizon, self._spec)

    def recorded_reward(self, columns: Mapping[str, np.ndarray], dt: float) -> np.ndarray:
        """Return what a trial would have counted for each row but the last."""
        return recorded_reward(self._spec, columns, dt)

    def training_environment(
        self, n: int, seed: int, threads: int, ranges: Ranges | None = None
    ) -> TrainingEnvironment:
        """Return robots that differ, and that are given commands drawn anew."""
        from robot_policies_sim.worlds.go1.vector_env import Go1VectorEnv

        drawn = Randomization().within(ranges or {})
        return Go1VectorEnv(
            self._spec, n, seed=seed, scene=self.scene, randomization=drawn, threads=threads
        )

    def trial_environment(self, n: int, seed: int, threads: int) -> TrainingEnvironment:
        """Return robots that walk as the task's trials do, to measure a policy on many at once.

        Nothing is randomised, and the commands are the task's in turn.

        Args:
            n: Robots simulated side by side.
            seed: Seeds everything that is drawn.
            threads: Physics threads.
        """
        from robot_policies_sim.worlds.go1.vector_env import Go1VectorEnv

        return Go1VectorEnv(
            self._spec,
            n,
            seed=seed,
            scene=self.scene,
            randomization=UNVARIED,
            command=self.commands_in_turn(n),
            threads=threads,
        )

    def commands_in_turn(self, n: int) -> np.ndarray:
        """Return a command for each of `n` robots. Shape (n, 3). [m/s, m/s, rad/s]"""  # noqa: D415
        # Neighbours share a command, so that each is met by every latency.
        return np.array(self.commands)[np.arange(n) // SHARING % len(self.commands)]
