"""What is asked of a robot, and how well it was done.

A task is fixed; a `Trial` is one attempt at it. Initial conditions are plain data drawn from a
seed, so that a list of them can be stored and two policies can be compared on the same ones.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from robot_policies.interface.backend import Command, RobotState


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

    Attributes:
        name: Task name.
        robot: Name of the robot it is for.
        horizon: Longest duration of a trial. [s]
        goals: Feature names the trial's `goal` supplies.
        scene: Engine-neutral world description, given to the simulator's constructor.
    """

    name: str
    robot: str
    horizon: float
    goals: tuple[str, ...]
    scene: Mapping[str, Any]

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Draw the initial condition of a seed, as plain JSON-serialisable data."""
        ...

    def start(self, initial: Mapping[str, Any]) -> Trial:
        """Begin a trial from an initial condition."""
        ...
