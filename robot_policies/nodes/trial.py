"""One trial at a node: made from its settings, watched by observers, summed up at the end."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import yaml

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import EARLY, EpisodeResult, Observer
from robot_policies.interface import (
    ConfigError,
    ExecutorMode,
    Policy,
    RobotBackend,
    RobotSpec,
    RobotState,
    Task,
)
from robot_policies.interface.errors import RecordingEnded
from robot_policies.nodes.robot_loop import RobotLoop
from robot_policies.policies.catalog import executor_of

CONTRACT = "contract"
NAMED: dict[str, tuple[Any, str]] = {
    "robot": ("", "robot, as in config/robots; empty: the task's"),
    "backend": ("mujoco", "what moves, as in config/backends"),
    "options": ("", "options of the backend, as a YAML mapping"),
    "task": ("", "world, goals and measure; empty: none"),
    "rate": (0.0, "control rate, 0 is the robot's own [Hz]"),
    "seed": (0, "seed of the initial condition and of the policy"),
    "policy": ("hold", "shipped id, folder or hub id of the policy"),
    "executor": (CONTRACT, "open_loop, ensemble, splice, or contract: as the policy's says"),
}
SETTINGS: dict[str, tuple[Any, str]] = {
    **NAMED,
    "seconds": (0.0, "length of a trial; 0: until the task is decided [s]"),
    "record": ("", "LeRobot dataset folder to record to"),
    "viewer": ("", "rerun, or an .rrd file to write"),
    "video": ("", "MP4 file to write"),
    "summary": ("", "JSON file to write metrics, loop rate and latency to"),
}


def by_name(settings: Mapping[str, Any]) -> tuple[RobotSpec, Task | None, RobotBackend]:
    """Return robot, task and backend; nothing is opened.

    Raises:
        ConfigError: If a name or an option is wrong.
    """
    task = load_task(settings["task"]) if settings["task"] else None
    if not (settings["robot"] or task):
        raise ConfigError("neither a robot nor a task that has one is named")
    robot = load_robot(settings["robot"] or cast(Task, task).robot)
    if settings["rate"]:
        robot = replace(robot, control_rate=float(settings["rate"]))
    if task and task.robot != robot.name:
        raise ConfigError(f"task '{task.name}' is for robot '{task.robot}', not '{robot.name}'")
    options = yaml.safe_load(settings["options"] or "{}")
    if not isinstance(options, dict):
        raise ConfigError(f"options '{settings['options']}': expected a YAML mapping")
    backend = make_backend(settings["backend"], robot, task.scene if task else None, **options)
    return robot, task, backend


def executor_mode(settings: Mapping[str, Any]) -> ExecutorMode:
    """Return how chunks are merged: as set, or as the policy's contract says.

    Raises:
        ConfigError: If the policy, which has to be asked, is unknown.
    """
    chosen = settings["executor"]
    return executor_of(settings["policy"]) if chosen == CONTRACT else chosen


DONE: Future[None] = Future()
DONE.set_result(None)
NO_TASK = cast(Task, SimpleNamespace(name="", goals=(), scene={}))


class TrialRun:
    """A robot under control for one trial after the other.

    Attributes:
        loop: The robot.
    """

    def __init__(self, settings: Mapping[str, Any], clock: Callable[[], float]) -> None:
        """Connect the robot; nothing moves.

        Args:
            settings: Values of `SETTINGS`.
            clock: Node clock. [s]
        """
        _, task, backend = by_name(settings)
        self._settings = settings
        self._horizon = settings["seconds"] or (task.horizon if task else np.inf)
        if task:
            task.horizon = self._horizon
        backend.connect()
        self.loop = RobotLoop(backend, task, clock, executor_mode(settings))
        self._observers: list[Observer] = []
        self._closing: Future[None] | None = DONE

    def start(self) -> None:
        """Begin."""
        self._initial, self._recording_ended = self.loop.start(self._settings["seed"]), ""
        self._observers, self._closing = self._watchers(), None
        for observer in self._observers:
            # Observers know policy and task by name only: the policy runs in another process.
            policy, task = SimpleNamespace(name=self._settings["policy"]), self.loop.task
            observer.begin(self.loop.robot, cast(Policy, policy), task or NO_TASK, self._initial)

    def measure(self) -> RobotState | None:
        """Close the books of the control step before and measure anew.

        Returns:
            The state; `None` if a recording stands for the robot and has ended.
        """
        record = self.loop.settle()
        if record:
            for observer in self._observers:
                observer.step(record)
        try:
            return self.loop.measure()
        except RecordingEnded as ended:
            self._recording_ended = str(ended)
            return None

    def over(self) -> str:
        """Return why the trial is over; empty while it is not."""
        if self.loop.elapsed >= self._horizon - EARLY:
            return f"{self._horizon:g} s have passed"
        if self.loop.trial and self.loop.trial.done():
            return "the task is decided"
        return self._recording_ended

    def end(self, reason: str) -> None:
        """End the recordings and write the summary; does nothing twice."""
        self.end_beside(reason)
        closing, self._closing = self._closing, DONE
        if closing:
            closing.result()

    def end_beside(self, reason: str) -> None:
        """Begin to do so in a thread; `end` waits for it and raises what it raised."""
        if self._closing is None:
            pool = ThreadPoolExecutor(1)
            self._closing = pool.submit(self._write_down, reason)
            pool.shutdown(wait=False)

    @property
    def ended(self) -> bool:
        """Whether everything is written."""
        return self._closing is not None and self._closing.done()

    def close(self) -> None:
        """Let go of the robot."""
        self.loop.backend.close()

    def _write_down(self, reason: str) -> None:
        result = self._result(reason)
        for observer in self._observers:
            observer.end(result)
        if self._settings["summary"]:
            document = {**asdict(result), "figures": self.loop.report()}
            document |= {"robot": self.loop.robot.name, "backend": self._settings["backend"]}
            path = Path(self._settings["summary"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def _watchers(self) -> list[Observer]:
        record, viewer, video = (self._settings[name] for name in ("record", "viewer", "video"))
        if not (record or viewer or video):
            return []
        from robot_policies.data.observers import make_observers

        return make_observers(
            self.loop.backend,
            record=Path(record) if record else None,
            viewer=viewer or None,
            video=Path(video) if video else None,
        )

    def _result(self, reason: str) -> EpisodeResult:
        loop, latched = self.loop, self.loop.latched
        metrics = dict(loop.trial.metrics()) if loop.trial else {}
        word = "success" if metrics.get("success") else "failure"
        decided = loop.trial is not None and loop.trial.done()
        undecided = "recording ended" if self._recording_ended else "horizon"
        return EpisodeResult(
            policy=self._settings["policy"],
            task=self._settings["task"],
            seed=self._settings["seed"],
            initial=self._initial,
            metrics=metrics,
            steps=sum(loop.levels.values()),
            duration=loop.elapsed,
            ended_by=str(latched.cause) if latched else word if decided else undecided,
            reason=latched.text if latched else reason,
            refusals=dict(loop.causes),
            dropped=loop.dropped,
            latency=loop.latency,
        )
