"""What an episode tells its observers, step by step and at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from robot_policies.control.verdict import Verdict
from robot_policies.interface import (
    ActionChunk,
    Command,
    Observation,
    Policy,
    RobotSpec,
    RobotState,
    Task,
)


class Ending(StrEnum):
    """Why an episode ended, where no latched stop ended it."""

    SUCCESS = "success"  # decided by the task
    FAILURE = "failure"  # decided by the task
    HORIZON = "horizon"
    RECORDING = "recording ended"
    INTERRUPTED = "interrupted"
    FAULT = "fault"


@dataclass(frozen=True, eq=False)
class StepRecord:
    """One control step; all stamps count from the start of the episode.

    Attributes:
        time: Time since the start of the episode. [s]
        state: What was measured.
        observation: What the policy was shown in this step, if it was.
        chunk: What it answered, on the way at that moment.
        verdict: What the gate decided.
        sent: What the backend really sent.
        goal: Goal streams.
        progress: How far the trial is, 0 to 1.
    """

    time: float
    state: RobotState
    observation: Observation | None
    chunk: ActionChunk | None
    verdict: Verdict
    sent: Command
    goal: Mapping[str, np.ndarray | str]
    progress: float


@dataclass(frozen=True)
class EpisodeResult:
    """How an episode went; plain data, equal for equal seeds in logical time.

    Attributes:
        policy: Policy name.
        task: Task name.
        seed: What everything random was seeded with.
        initial: Initial condition.
        metrics: The task's, `success` included.
        steps: Control steps.
        duration: Time from first to last step. [s]
        ended_by: An `Ending`, or the cause of a latched stop.
        reason: One line for people; empty if the task or the horizon ended it.
        levels: Steps by how far the safety gate went.
        refusals: Steps without a valid action, by cause.
        dropped: Chunks not used, by reason.
        stale: Observations that could not be made.
        latency: `p50`, `p95`, `p99`, `max` from observation to the command that answers it. [s]
    """

    policy: str
    task: str
    seed: int
    initial: Mapping[str, Any]
    metrics: Mapping[str, float]
    steps: int
    duration: float
    ended_by: str
    reason: str = ""
    levels: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    stale: int = 0
    latency: Mapping[str, float] = field(default_factory=dict)


class Observer(Protocol):
    """Watches an episode: a video, a viewer, a recorder.

    It is called by the control thread, so what takes long happens in `begin` and `end`, or in
    another process (`data/background.py`).
    """

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Open and exercise everything, so that the first step costs what every step costs.

        Raises:
            ConfigError: If something cannot be written: a read-only or full folder, a path that
                cannot be, another robot's or rate's data set, one that another process writes to.
            BackendError: If a viewer or another process cannot be started.
        """
        ...

    def step(self, record: StepRecord) -> None:
        """Take note of one control step; it copies what it needs, and never waits in real time."""
        ...

    def end(self, result: EpisodeResult) -> None:
        """Finish the files; also called when the episode ended in a fault."""
        ...
