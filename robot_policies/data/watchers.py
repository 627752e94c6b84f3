"""The process that watches: it feeds recorder, film and viewer from the control thread's messages.

It has a session of its own and follows no interrupt: it ends when the process that controls the
robot closes the queue or dies, and finishes what it has before that.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any, Protocol, cast, runtime_checkable

from robot_policies.control.records import EpisodeResult, Observer, StepRecord
from robot_policies.data.byte_queue import ByteReader
from robot_policies.data.messages import Pictures, put_together, unpack
from robot_policies.interface import ConfigError, Policy, RobotPoliciesError, RobotSpec, Task

NICE = 10  # the control thread and the policy come first
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NEWEST, SEEN, SKIPPED, FAULTS = range(4)  # what both processes see at any time


class Watcher(Observer, Protocol):
    """An observer that keeps files or a viewer open.

    Attributes:
        name: What people call it.
        lacks: What it did not get, by stream.
        notes: What people should know of what it wrote.
    """

    name: str
    lacks: Counter[str]
    notes: list[str]

    def close(self) -> None:
        """Finish what is open, also in the middle of an episode; may be called twice."""
        ...


@runtime_checkable
class Display(Watcher, Protocol):
    """A watcher that shows steps to people and may miss some.

    Attributes:
        patience: How old a step may be before it is passed over. [s]
    """

    patience: float

    def skip(self, record: StepRecord) -> bool:
        """Pass over a step, and count it if something would have been drawn."""
        ...


def watch(
    reader: ByteReader,
    replies: Connection,
    gauge: Any,
    watchers: Sequence[Watcher],
    real_time: bool,
) -> None:
    """Serve until the writer has gone; the main function of the process.

    Args:
        reader: Messages.
        replies: Takes answers to `begin` and `end`, and faults.
        gauge: Array of float64, shared: `NEWEST` and `SEEN` [s], `SKIPPED` and `FAULTS`.
        watchers: What watches.
        real_time: Whether a robot goes on meanwhile; otherwise no step is passed over.
    """
    for number in INTERRUPTS:
        # No SIG_IGN: a viewer would inherit it.
        signal.signal(number, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    os.setsid()
    os.nice(NICE)
    service = _Service(replies, gauge, watchers, real_time)
    try:
        while (data := reader.get()) is not None:
            kind, *content = unpack(data)
            getattr(service, kind)(*content)
    finally:
        service.close()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # all is written; a thread that still imports is not waited for


class _Service:
    """The episodes, message by message; its public methods are the kinds of messages."""

    def __init__(
        self, replies: Connection, gauge: Any, watchers: Sequence[Watcher], real_time: bool
    ) -> None:
        self._replies, self._gauge, self._watchers = replies, gauge, watchers
        self._real_time = real_time
        self._active: list[Watcher] = []
        self._pictures: dict[str, tuple[Any, float]] = {}

    def begin(
        self,
        robot: RobotSpec,
        policy: str,
        task: str,
        scene: Mapping[str, Any],
        initial: Mapping[str, Any],
    ) -> None:
        """Open and exercise everything, or refuse."""
        self._pictures.clear()
        # Policy and task are known by name only: they live in another process.
        actor = cast(Policy, SimpleNamespace(name=policy))
        place = cast(Task, SimpleNamespace(name=task, scene=scene))
        try:
            for watcher in self._watchers:
                watcher.begin(robot, actor, place, initial)
        except Exception as error:
            self.close()
            self._replies.send(("refused", (isinstance(error, ConfigError), _text(error))))
            return
        self._active = list(self._watchers)
        self._replies.send(("ready", None))

    def step(self, fields: dict[str, Any], pictures: Pictures, names: Sequence[str]) -> None:
        """Show one step; a picture that did not come is the one before."""
        self._pictures.update(pictures)
        known = {name: self._pictures[name] for name in names if name in self._pictures}
        record = put_together(fields, known)
        age = self._gauge[NEWEST] - record.time if self._real_time else 0.0
        for watcher in tuple(self._active):
            if isinstance(watcher, Display) and age > watcher.patience:
                self._gauge[SKIPPED] += watcher.skip(record)
            else:
                self._call(watcher, watcher.step, record)
        self._gauge[SEEN] = record.time

    def end(self, result: EpisodeResult, lacks: Mapping[str, int]) -> None:
        """Finish the files."""
        notes: list[str] = []
        for watcher in tuple(self._active):
            if not isinstance(watcher, Display):
                watcher.lacks.update(lacks)
            self._call(watcher, watcher.end, result)
            notes += watcher.notes
            notes += [
                f"{watcher.name}: lacks {count} x {what}" for what, count in watcher.lacks.items()
            ]
            watcher.notes.clear()
            watcher.lacks.clear()
        self._active = []
        self._replies.send(("ended", notes))

    def close(self) -> None:
        """Finish what is open."""
        self._active = []
        for watcher in self._watchers:
            _close(watcher)

    def _call(self, watcher: Watcher, method: Callable[[Any], None], argument: object) -> None:
        """Call a watcher; one that fails is closed, and the others go on."""
        try:
            method(argument)
        except Exception as error:
            self._active.remove(watcher)
            _close(watcher)
            text = _text(error)
            if self._real_time:
                say(f"{text}; the robot goes on")
            with suppress(OSError):
                self._replies.send(("fault", text))
            self._gauge[FAULTS] += 1


def _close(watcher: Watcher) -> None:
    with suppress(Exception):  # what cannot be finished any more does not keep the rest
        watcher.close()


def _text(error: Exception) -> str:
    known = isinstance(error, RobotPoliciesError)
    return str(error) if known else f"{type(error).__name__}: {error}"


def say(text: str) -> None:
    """Print a line for people."""
    with suppress(OSError):  # nobody may be left to read it
        print(text, file=sys.stderr, flush=True)
