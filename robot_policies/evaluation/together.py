"""Many episodes at once that share one model call per step.

A network answers thirty observations in little more time than one. Every episode is `run_episode`
in a thread of its own, safety gate included; its policy is a seat at a table, where the episodes
wait until all of them have an observation. So an episode among many is the episode alone, as far
as the network computes the same for a row of a batch.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, Protocol

from robot_policies.control.episode import run_episode
from robot_policies.control.records import EpisodeResult, Observer
from robot_policies.interface import (
    ActionChunk,
    ActionSpec,
    Finding,
    Observation,
    ObservationSpec,
    Simulator,
    Statistics,
    Task,
)

Answers = Sequence[ActionChunk]


class Crowd(Protocol):
    """A policy that answers many observations at once.

    Attributes:
        name: What it was loaded as.
        robot: Name of its robot.
        observation_spec: Features it needs.
        action_spec: Actions it produces.
        statistics: Normalisation statistics per feature.
        findings: What was found when it was loaded.
    """

    name: str
    robot: str
    observation_spec: ObservationSpec
    action_spec: ActionSpec
    statistics: Mapping[str, Statistics]
    findings: tuple[Finding, ...]

    def reset_row(self, row: int, seed: int) -> None:
        """Begin an episode in a row; what is sampled for it depends on `seed` alone."""
        ...

    def act_together(self, rows: Sequence[int], observations: Sequence[Observation]) -> Answers:
        """Answer one observation of each of these rows."""
        ...


def run_together(
    crowd: Crowd,
    task: Task,
    make_simulator: Callable[[], Simulator],
    seeds: Sequence[int],
    count: int = 16,
    observers: Callable[[int], Sequence[Observer]] = lambda index: (),
    initials: Sequence[Mapping[str, Any]] | None = None,
) -> list[EpisodeResult]:
    """Run an episode for each seed.

    Args:
        crowd: The policy.
        task: The task.
        make_simulator: Makes one of the task's scene. It is called in the thread that uses it,
            because an OpenGL context belongs to a thread.
        seeds: Of the episodes.
        count: Episodes at a time.
        observers: Returns those of an episode, by its place in `seeds`.
        initials: Initial conditions; by default the task draws them from the seeds.

    Returns:
        In the order of `seeds`.
    """
    results: dict[int, EpisodeResult] = {}
    count = min(count, len(seeds))
    table = _Table(crowd, count)

    def work(row: int) -> None:
        seat = _Seat(crowd, table, row)
        try:
            with closing(make_simulator()) as simulator:
                simulator.connect()
                for index in range(row, len(seeds), count):
                    results[index] = run_episode(
                        simulator,
                        seat,
                        task,
                        seed=seeds[index],
                        initial=None if initials is None else initials[index],
                        observers=observers(index),
                    )
        except BaseException as error:
            table.fail(error)
        finally:
            table.leave(row)

    threads = [threading.Thread(target=work, args=(row,), daemon=True) for row in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if table.error is not None:
        raise table.error
    return [results[index] for index in range(len(seeds))]


class _Table:
    """Where episodes meet; whoever comes last has the crowd answer all."""

    def __init__(self, crowd: Crowd, seats: int) -> None:
        self._crowd, self._present = crowd, set(range(seats))
        self._asked: dict[int, Observation] = {}
        self._answers: dict[int, ActionChunk] = {}
        self._changed = threading.Condition()
        self.error: BaseException | None = None

    def ask(self, row: int, observation: Observation) -> ActionChunk:
        with self._changed:
            self._asked[row] = observation
            self._answer()
            self._changed.wait_for(lambda: row in self._answers or self.error)
            if self.error is not None:
                raise RuntimeError("another episode has failed") from self.error
            return self._answers.pop(row)

    def leave(self, row: int) -> None:
        with self._changed:
            self._present.discard(row)
            self._answer()

    def fail(self, error: BaseException) -> None:
        with self._changed:
            self.error = self.error or error
            self._changed.notify_all()

    def _answer(self) -> None:
        if not self._asked or self.error or self._asked.keys() != self._present:
            return
        rows = sorted(self._asked)
        try:
            answers = self._crowd.act_together(rows, [self._asked[row] for row in rows])
            self._answers = dict(zip(rows, answers, strict=True))
        except Exception as error:  # every episode has to hear of it
            self.error = error
        self._asked.clear()
        self._changed.notify_all()


class _Seat:
    """One episode's policy."""

    def __init__(self, crowd: Crowd, table: _Table, row: int) -> None:
        self.name, self.robot = crowd.name, crowd.robot
        self.observation_spec, self.action_spec = crowd.observation_spec, crowd.action_spec
        self.statistics, self.findings = crowd.statistics, crowd.findings
        self._crowd, self._table, self._row = crowd, table, row

    def reset(self, seed: int) -> None:
        self._crowd.reset_row(self._row, seed)

    def act(self, observation: Observation) -> ActionChunk:
        return self._table.ask(self._row, observation)

    def close(self) -> None:
        pass
