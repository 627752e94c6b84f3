"""Attempts of a GRAPE policy in simulation, with what preferences are made of.

Several attempts begin from each initial state and differ in what is sampled. Where things are, and
whether the obstacle was touched, is the simulator's truth at each answer. Whatever finds the same
points in pictures can stand in for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from robot_policies import catalog
from robot_policies.control.records import EpisodeResult, StepRecord
from robot_policies.evaluation.together import run_together
from robot_policies.interface import ConfigError, Policy, RobotSpec, Simulator, Task
from robot_policies.policies.grape.crowd import GrapeCrowd
from robot_policies.policies.grape.steps import Steps
from robot_policies.policies.grape.trajectories import Trajectory
from robot_policies.stage import require_simulator

TIP, OBSTACLE = "tip", "obstacle"
TOUCH = 0.01  # N
APART = 1000  # between the seeds of two attempts from one state


@runtime_checkable
class TaskWithThings(Protocol):
    """A task that says which objects play which part in a trial."""

    def things(self, initial: Mapping[str, Any]) -> Mapping[str, str]:
        """Return names of objects by part: `cube`, `pad`, `obstacle`."""
        ...


def simulators(task: Task, backend: str, crowd: GrapeCrowd) -> Callable[[], Simulator]:
    """Return what makes simulators that draw a policy's camera alone, at the policy's rate.

    Args:
        task: The task.
        backend: Simulator.
        crowd: Whose camera is drawn.
    """
    robot = catalog.load_robot(task.robot)
    rate, drawn = 1.0 / crowd.action_spec.dt, crowd.policy.config.camera.rpartition(".")[2]
    cameras = tuple(replace(c, rate=rate) for c in robot.cameras if c.name == drawn)
    robot = replace(robot, cameras=cameras)

    def make() -> Simulator:
        return require_simulator(catalog.make_backend(backend, robot, task.scene), backend)

    return make


def attempt_all(
    folder: Path,
    task_name: str,
    backend: str,
    states: Sequence[int],
    repeats: int,
    *,
    temperature: float = 1.0,
    together: int = 16,
    seed: int = 0,
) -> list[Trajectory]:
    """Let a policy try several times from each of some initial states.

    Args:
        folder: The checkpoint.
        task_name: A task with `things`.
        backend: Simulator.
        states: Seeds of the initial states.
        repeats: Attempts from each.
        temperature: Of the tokens.
        together: Episodes at a time.
        seed: Of what is sampled.

    Raises:
        ConfigError: If the task does not say which things play which part.
    """
    task = catalog.load_task(task_name)
    if not isinstance(task, TaskWithThings):
        raise ConfigError(f"task '{task_name}' does not say which things play which part")
    crowd = GrapeCrowd(folder, temperature=temperature)
    starts = [state for state in states for _ in range(repeats)]
    seeds = [seed + APART * (i % repeats) + state for i, state in enumerate(starts)]
    initial = {state: task.initial(state) for state in states}
    count = min(together, len(starts))
    watches = [
        Watch(crowd, i % count, state, task.things(initial[state]))
        for i, state in enumerate(starts)
    ]
    run_together(
        crowd,
        task,
        simulators(task, backend, crowd),
        seeds,
        count,
        observers=lambda index: (watches[index],),
        initials=[initial[state] for state in starts],
    )
    return [watch.trajectory for watch in watches]


class Watch:
    """Observer that makes a trajectory of an episode."""

    def __init__(self, crowd: GrapeCrowd, row: int, start: int, things: Mapping[str, str]) -> None:
        """Begin with nothing.

        Args:
            crowd: Who answers.
            row: In which row.
            start: Number of the initial state.
            things: Names of objects by part.
        """
        self._crowd, self._row, self._start = crowd, row, start
        self._objects = {part: f"object.{name}" for part, name in things.items()}
        mine, post = things["cube"], things[OBSTACLE]
        self._contacts = (
            f"robot_contact.{post}",
            f"contact.{mine}.{post}",
            f"contact.{post}.{mine}",
        )
        self._points: list[dict[str, np.ndarray]] = []
        self._touch: list[bool] = []

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Nothing to prepare."""

    def step(self, record: StepRecord) -> None:
        """Note where things are at an answer, and any touch."""
        truth = record.state.truth
        if record.chunk is not None:
            where = {part: truth[name][:3] for part, name in self._objects.items()}
            self._points.append({TIP: truth["end_effector"][:3], **where})
            self._touch.append(False)
        if self._touch:
            touched = any(truth[name][0] > TOUCH for name in self._contacts if name in truth)
            self._touch[-1] |= touched

    def end(self, result: EpisodeResult) -> None:
        """Put together what was seen and answered."""
        answers = self._crowd.answers.pop(self._row)
        parts = self._points[0] if self._points else {}
        self.trajectory = Trajectory(
            start=self._start,
            steps=Steps(
                picture=torch.stack(answers.picture),
                state=torch.stack(answers.state),
                action=torch.stack(answers.action),
                task=answers.task,
                places=torch.empty(0),
            ),
            tokens=torch.stack(answers.tokens),
            log_probability=torch.stack(answers.log_probability),
            points={part: np.stack([row[part] for row in self._points]) for part in parts},
            touch=np.array(self._touch),
            success=bool(result.metrics["success"]),
            metrics=result.metrics,
        )
