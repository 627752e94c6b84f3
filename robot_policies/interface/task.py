"""What is asked of a robot, and how well it was done.

A task is fixed; a `Trial` is one attempt at it. Initial conditions are plain data drawn from a
seed, so that a list of them can be stored and two policies can be compared on the same ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from robot_policies.interface.backend import Command, RobotState, Simulator
from robot_policies.interface.errors import ConfigError
from robot_policies.interface.observation import GOAL_STREAMS
from robot_policies.interface.person import PersonLimits
from robot_policies.interface.policy import Policy
from robot_policies.interface.spec import ArraySpec
from robot_policies.interface.training import TrainingEnvironment

Ranges = Mapping[str, Sequence[float]]  # least and greatest value by name


class Trial(Protocol):
    """One attempt at a task."""

    def goal(self, now: float) -> Mapping[str, np.ndarray | str]:
        """Return the goal streams now: `observation.velocity_command` and/or `task`.

        Args:
            now: Time since the start of the trial. [s]
        """
        ...

    def observe(self, state: RobotState, command: Command | None) -> None:
        """Take note of one control step: the state before it and the command that was sent."""
        ...

    def done(self) -> bool:
        """Return whether the trial is decided (success, fall, horizon reached)."""
        ...

    def progress(self) -> float:
        """Return how far the trial got, 0 to 1."""
        ...

    def metrics(self) -> Mapping[str, float]:
        """Return `success` (0 or 1) and the task's metrics; only those that were measurable."""
        ...


@runtime_checkable
class Task(Protocol):
    """A world, a distribution of initial states, a horizon and a measure.

    A class that derives from it need not have an expert, labels or a training environment.

    Attributes:
        name: Task name.
        robot: Name of the robot it is for.
        horizon: Longest duration of a trial. [s]
        goals: Feature names the trial's `goal` supplies.
        scene: Engine-neutral world description, given to the simulator's constructor.
        goal_streams: Specs of goals that are bounded, by feature name; a person who steers is
            held to them, too.
        labelled: Names of the columns that `labels` gives.
        person: Limits beside the person it is done to; `None` if there is none.
    """

    name: str
    robot: str
    horizon: float
    goals: tuple[str, ...]
    scene: Mapping[str, Any]
    goal_streams: Mapping[str, ArraySpec] = {}
    labelled: tuple[str, ...] = ()
    person: PersonLimits | None = None

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Draw the initial condition of a seed, as plain JSON-serialisable data."""
        ...

    def start(self, initial: Mapping[str, Any]) -> Trial:
        """Begin a trial from an initial condition."""
        ...

    def expert(self, simulator: Simulator, noise: float = 0.0) -> Policy:
        """Return a scripted policy that does the task from the truth of a simulator.

        It answers with displacements of the hand (`cartesian_delta`), or has an attribute
        `intended`: its last answer without noise, in the order of its action spec. Shape (n,).

        Args:
            simulator: Where the trial takes place.
            noise: How far its actions stray from what it intends, as the expert understands it.

        Raises:
            ConfigError: If the task has no expert.
        """
        raise ConfigError(f"task '{self.name}' has no scripted expert")

    def labels(self, states: Sequence[RobotState]) -> Mapping[str, np.ndarray]:
        """Return what each step was worth, by the names in `labelled`. Shape (steps, 1) each.

        Args:
            states: Measured before each step.
        """
        return {}

    def recorded_reward(self, columns: Mapping[str, np.ndarray], dt: float) -> np.ndarray:
        """Return what each row of a recorded episode but the last was worth. Shape (rows - 1,).

        Args:
            columns: What was recorded, by name, in SI. Shape (rows, width) each.
            dt: Time between two rows. [s]

        Raises:
            ConfigError: If the task has no reward, or a column is missing.
        """
        raise ConfigError(f"task '{self.name}' has no reward of what is recorded")

    def training_environment(
        self, n: int, seed: int, threads: int, ranges: Ranges | None = None
    ) -> TrainingEnvironment:
        """Return `n` robots to train a policy of this task with.

        Args:
            n: Robots simulated side by side.
            seed: Seeds everything that is drawn.
            threads: Physics threads.
            ranges: What the robots differ in, least and greatest value by name, where it is not
                as the task says.

        Raises:
            ConfigError: If the task has no training environment, or a number cannot be.
        """
        raise ConfigError(f"task '{self.name}' has no training environment")


def goals_of(task: Task | None) -> Mapping[str, ArraySpec]:
    """Return the specs of all goal streams, bounded as a task says."""
    return {**GOAL_STREAMS, **(task.goal_streams if task else {})}
