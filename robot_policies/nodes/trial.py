"""One trial at a node: made from its settings, watched by observers, summed up at the end."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from robot_policies.control.episode import EARLY
from robot_policies.control.loop import ControlLoop, Decision
from robot_policies.control.records import Ending, EpisodeResult
from robot_policies.control.rehearsal import rehearse
from robot_policies.control.results import figures_of, result_of
from robot_policies.data.observers import RecordingObserver, make_observers
from robot_policies.documents import read_json
from robot_policies.interface import Policy, Simulator, Task
from robot_policies.interface.errors import RecordingEnded
from robot_policies.nodes.bag_recorder import BagRecorder, bag_folder
from robot_policies.nodes.trial_settings import (
    by_name,
    contract_file,
    executor_mode,
    limits_of,
    require_writable,
)
from robot_policies.policies.catalog import action_spec_of

DONE: Future[None] = Future()
DONE.set_result(None)
NO_TASK = cast(Task, SimpleNamespace(name="", goals=(), scene={}))


class TrialRun:
    """A robot under control for one trial after the other.

    Attributes:
        loop: The robot.
        task: Goals and measure; `None` if there are none.
        policy_figures: What the policy's node says of itself, for the summary.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        now: float,
        clocks: Mapping[str, Callable[[], float]] | None = None,
        nodes: Sequence[str] = (),
    ) -> None:
        """Connect the robot and make everything ready; nothing moves.

        Args:
            settings: Values of `SETTINGS`.
            now: Time. [s]
            clocks: Those the backend is to use instead of its own.
            nodes: Full names of the nodes whose topics a bag is made of, the robot's first.
        """
        stage = by_name(settings, clocks)
        action = action_spec_of(settings["policy"], stage.robot, contract_file(settings))
        stage = stage.with_gains(settings["gains"], action)
        robot, task, backend = stage.robot, stage.task, stage.backend
        self._settings, self.task, self._nodes = settings, task, nodes
        self._horizon = settings["seconds"] or (task.horizon if task else np.inf)
        if task:
            task.horizon = self._horizon
        if settings["summary"]:
            require_writable(Path(settings["summary"]))
        backend.connect()
        self.loop = ControlLoop(
            backend, action, executor_mode(settings), limits_of(robot, settings, task)
        )
        self.policy_figures: Mapping[str, float] = {}
        self._observers: list[RecordingObserver] = []
        self._closing: Future[None] | None = DONE
        self._ready = False
        self.prepare(now)

    def prepare(self, now: float) -> None:
        """Put a simulator in the task's initial state, open what watches, and exercise the loop.

        Args:
            now: Time. [s]
        """
        backend, seed = self.loop.backend, self._settings["seed"]
        self._initial = self._initial_condition(seed)
        if isinstance(backend, Simulator):
            backend.reset(seed, self._initial)
            backend.advance(self.loop.period)
            backend.read()
            backend.reset(seed, self._initial)
        rehearse(self.loop, backend.read(), now)
        self._observers, self._closing = self._watchers(), None
        for observer in self._observers:
            # Observers know policy and task by name only: the policy runs in another process.
            policy = SimpleNamespace(name=self._settings["policy"])
            observer.begin(
                self.loop.robot, cast(Policy, policy), self.task or NO_TASK, self._initial
            )
        self._ready = True

    def _initial_condition(self, seed: int) -> Mapping[str, Any]:
        if not self.task:
            return {}
        file = self._settings["initial"]
        return {**self.task.initial(seed), **(read_json(Path(file)) if file else {})}

    def start(self, now: float) -> None:
        """Begin the trial that was prepared."""
        if not self._ready:
            self.prepare(now)
        self._ready = False
        self.loop.begin(self.task.start(self._initial) if self.task else None, now)

    @property
    def watched(self) -> bool:
        """Whether somebody records or shows what the cameras see."""
        given, simulated = self._settings, isinstance(self.loop.backend, Simulator)
        return bool(given["record"] or given["viewer"] or (given["video"] and not simulated))

    @property
    def makes_bag(self) -> bool:
        """Whether the messages of the graph are recorded."""
        return bag_folder(self._settings["record"]) is not None

    def advance(self) -> bool:
        """Close the books of the control slot before; a simulator runs for a control period.

        Returns:
            Whether the trial goes on; not if a recording stands for the robot and has ended.
        """
        if record := self.loop.settle():
            for observer in self._observers:
                observer.step(record)
            try:
                self.loop.advance()
            except RecordingEnded:
                self.loop.recording_ended = True
                return False
        return True

    def measure(self, now: float, pictures: bool) -> None:
        """Measure anew.

        Args:
            now: Time, after the simulator ran: what it computes then is measured then. [s]
            pictures: Whether somebody beside the observers wants pictures.
        """
        self.loop.measure(now, pictures or self.watched)

    def decide(self, now: float) -> Decision:
        """Send what is due."""
        return self.loop.decide(now)

    def over(self) -> str:
        """Return why the trial is over; empty while it is not."""
        if self.loop.elapsed >= self._horizon - EARLY:
            return f"{self._horizon:g} s have passed"
        if self.loop.decided:
            return "the task is decided"
        return "the recording has ended" if self.loop.recording_ended else ""

    def end(self, ending: Ending, reason: str) -> None:
        """End the recordings and write the summary; does nothing twice."""
        self.end_beside(ending, reason)
        closing, self._closing = self._closing, DONE
        if closing:
            closing.result()

    def end_beside(self, ending: Ending, reason: str) -> None:
        """Begin to do so in a thread; `end` waits for it and raises what it raised."""
        if self._closing is None:
            pool = ThreadPoolExecutor(1)
            self._closing = pool.submit(self._write_down, ending, reason)
            pool.shutdown(wait=False)

    @property
    def ended(self) -> bool:
        """Whether everything is written."""
        return self._closing is not None and self._closing.done()

    def close(self) -> None:
        """Let go of the robot and of what watched it."""
        self.loop.backend.close()
        for observer in self._observers:
            observer.close()

    @property
    def faults(self) -> list[str]:
        """What went wrong with recording, viewer and film, one line each."""
        return [line for observer in self._observers for line in observer.faults]

    def figures(self) -> dict[str, float]:
        """Return the figures of the loop and of what watches it."""
        figures = figures_of(self.loop)
        for observer in self._observers:
            figures |= observer.figures
        return figures

    def _write_down(self, ending: Ending, reason: str) -> None:
        result = result_of(
            self.loop,
            Ending.RECORDING if self.loop.recording_ended else ending,
            reason,
            policy=self._settings["policy"],
            task=self._settings["task"],
            seed=self._settings["seed"],
            initial=self._initial,
            duration=self.loop.elapsed,
        )
        self._sum_up(result)  # a launcher may not wait until a recording is converted
        for observer in self._observers:
            observer.end(result)
        self._sum_up(result)  # with what went wrong there

    def _sum_up(self, result: EpisodeResult) -> None:
        if not self._settings["summary"]:
            return
        document = {**asdict(result), "figures": {**self.figures(), **self.policy_figures}}
        document |= {"robot": self.loop.robot.name, "backend": self._settings["backend"]}
        document["faults"] = self.faults
        path = Path(self._settings["summary"])
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def _watchers(self) -> list[RecordingObserver]:
        record, viewer, video = (self._settings[name] for name in ("record", "viewer", "video"))
        if not (record or viewer or video):
            return []
        bag = bag_folder(record)
        return make_observers(
            self.loop.backend,
            record=Path(record) if record and not bag else None,
            others=[BagRecorder(bag, self._nodes)] if bag else [],
            viewer=viewer or None,
            video=Path(video) if video else None,
        )
