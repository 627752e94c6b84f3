"""A robot without a task: no goal, no scene and nothing to measure."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_policies.interface.backend import Command, RobotState
from robot_policies.interface.task import Task

NAME = "none"  # as launch files say it


class RobotAlone(Task):
    """A `Task` that asks for nothing and lasts as long as it is let."""

    goals: tuple[str, ...] = ()
    scene: Mapping[str, Any] = {}

    def __init__(self, robot: str, horizon: float = 10.0) -> None:
        """Take the robot.

        Args:
            robot: Its name.
            horizon: Longest duration of a trial. [s]
        """
        self.name, self.robot, self.horizon = NAME, robot, horizon

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Return nothing: the robot stands where its backend puts it."""
        return {}

    def start(self, initial: Mapping[str, Any]) -> "_Trial":
        """Begin."""
        return _Trial()


class _Trial:
    def goal(self, now: float) -> Mapping[str, np.ndarray | str]:
        return {}

    def observe(self, state: RobotState, command: Command | None) -> None:
        """Take note of nothing."""

    def done(self) -> bool:
        return False

    def progress(self) -> float:
        return 0.0

    def metrics(self) -> Mapping[str, float]:
        return {}
