"""Recorder, film and viewer in a process of their own, so that watching costs the robot nothing.

A thread would share the interpreter with the control thread. What a control step costs here is a
copy of its record into shared memory; the queue holds minutes of rows and seconds of pictures. If
it fills up, films and viewers pass over steps first, then pictures are left out, and rows last.
"""

import atexit
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from multiprocessing import get_context, resource_tracker
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_policies.data.byte_queue import ByteWriter
from robot_policies.data.messages import Pictures, pack, take_apart
from robot_policies.data.watchers import (
    FAULTS,
    INTERRUPTS,
    NEWEST,
    SEEN,
    SKIPPED,
    Watcher,
    say,
    watch,
)
from robot_policies.interface import (
    ArraySpec,
    BackendError,
    ConfigError,
    Policy,
    RobotSpec,
    Task,
)
from robot_policies.interface.observation import is_picture

if TYPE_CHECKING:
    from robot_policies.control.records import EpisodeResult, StepRecord

ROWS = 32 * 2**20  # bytes; some 3 kB are a row of a walking robot
PICTURES = 64  # of each camera
POINTS = 100_000  # expected of a cloud whose size is not declared
POLL = 0.002  # s; between two looks for room, where time waits
ROW = "rows"


class Background:
    """Observer that has others watch in one process beside the control thread's.

    Attributes:
        lacks: What the recording did not get in this episode: `rows`, and pictures by feature.
        faults: What went wrong since `begin`, one line each; the robot went on.
        notes: What people should know of what was written.
    """

    def __init__(
        self,
        watchers: Sequence[Watcher],
        streams: Mapping[str, ArraySpec],
        *,
        real_time: bool = True,
    ) -> None:
        """Prepare; the process is started by the first `begin`.

        Args:
            watchers: What watches; they are sent to the process.
            streams: What the robot provides, for the size of the queue.
            real_time: Whether steps come at their time. Otherwise a step waits for room, a film
                has every frame, and a fault ends the episode.
        """
        self._watchers, self._real_time = tuple(watchers), real_time
        picture = sum(_size(spec) for name, spec in streams.items() if is_picture(name))
        self._room = ROWS + PICTURES * picture
        self.lacks: Counter[str] = Counter()
        self.faults: list[str] = []
        self.notes: list[str] = []
        self._gauge: Any = [0.0] * 4
        self._process: Any = None

    @property
    def figures(self) -> Mapping[str, float]:
        """How far it is behind [s], and the rows and pictures, frames included, that are lost."""
        pictures = sum(count for stream, count in self.lacks.items() if stream != ROW)
        return {
            "behind": max(0.0, self._gauge[NEWEST] - self._gauge[SEEN]),
            "lost_rows": float(self.lacks[ROW]),
            "lost_frames": self._gauge[SKIPPED] + pictures,
        }

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Have everything opened and exercised; takes seconds the first time.

        Raises:
            ConfigError: If something cannot be written or shown.
            BackendError: If a viewer or the process cannot be started.
        """
        if self._process is None:
            self._start()
        self.lacks.clear()
        self.faults.clear()
        self._stamps: dict[str, float] = {}
        self._gauge[:] = [0.0] * len(self._gauge)
        about = robot, policy.name, task.name, dict(task.scene), dict(initial)
        self._offer(True, "begin", *about)
        kind, content = self._answer("ready", "refused") or ("refused", (False, self.faults[0]))
        if kind == "refused":
            self.close()
            is_setting, text = content
            raise (ConfigError if is_setting else BackendError)(text)

    def step(self, record: "StepRecord") -> None:
        """Copy one control step and hand it on; in real time it never waits.

        Raises:
            BackendError: If something failed, and no robot is moving meanwhile.
        """
        fields, pictures = take_apart(record)
        fresh = self._fresh(pictures)
        self._gauge[NEWEST] = record.time
        if not self._offer(not self._real_time, "step", fields, fresh, tuple(pictures)):
            self.lacks.update([ROW, *fresh])
        while self._gauge[FAULTS] > len(self.faults) and self._process:
            self._answer("fault")
        self._raise_fault()

    def end(self, result: "EpisodeResult") -> None:
        """Have the files finished, and wait for it.

        Raises:
            BackendError: If something failed, and no robot was moving meanwhile.
        """
        if self._offer(True, "end", result, dict(self.lacks)):
            _, notes = self._answer("ended") or ("", [])
            self.notes += notes
        self._raise_fault()

    def close(self) -> None:
        """End the process, which finishes what is open; may be called twice."""
        process, self._process = self._process, None
        if process is not None:
            atexit.unregister(self.close)
            self._writer.close()
            self._replies.close()
            process.join()

    def _start(self) -> None:
        context = get_context("spawn")  # not forked: OpenGL and threads do not survive that
        self._writer = ByteWriter(context, self._room)
        self._gauge = context.RawArray("d", len(self._gauge))
        self._replies, answers = context.Pipe(duplex=False)
        reader = self._writer.reader
        arguments = reader, answers, self._gauge, self._watchers, self._real_time
        process = context.Process(target=watch, args=arguments, name="watchers")
        # The process inherits what is blocked: an interrupt must not end it before it is ready.
        resource_tracker.ensure_running()  # it would unblock them
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        reader.close()
        answers.close()
        self._process = process
        atexit.register(self.close)

    def _fresh(self, pictures: Pictures) -> Pictures:
        """Return the pictures that are new and leave room for rows; count those that do not."""
        fresh: dict[str, tuple[np.ndarray, float]] = {}
        room = self._writer.room - ROWS if self._real_time else np.inf
        for name, (array, stamp) in pictures.items():
            if self._stamps.get(name) == stamp:
                continue
            self._stamps[name] = stamp
            if array.nbytes > room:
                self.lacks[name] += 1
                continue
            room -= array.nbytes
            fresh[name] = array, stamp
        return fresh

    def _offer(self, waits: bool, kind: str, *content: object) -> bool:
        """Put a message into the queue; return whether it is there."""
        parts = pack((kind, *content))
        while self._process:
            try:
                if self._writer.put(parts):
                    return True
            except BrokenPipeError:
                self._bury()
                continue
            if not self._process.is_alive():
                self._bury()
            elif not waits:
                return False
            else:
                time.sleep(POLL)
        return False

    def _answer(self, *kinds: str) -> tuple[str, Any] | None:
        """Wait for an answer of these kinds and note faults; `None` if the process has died."""
        try:
            while True:
                kind, content = self._replies.recv()
                if kind == "fault":
                    self.faults.append(content)
                if kind in kinds:
                    return kind, content
        except (EOFError, OSError):
            self._bury()
            return None

    def _bury(self) -> None:
        """Say that the process has died; the files are as it left them."""
        process = self._process
        self.close()
        text = f"recording, film and viewer end here: their process died ({process.exitcode})"
        self.faults.append(text)
        if self._real_time:
            # In a thread: who should read it may be blocked.
            threading.Thread(target=say, args=(f"{text}; the robot goes on",), daemon=True).start()

    def _raise_fault(self) -> None:
        if self.faults and not self._real_time:
            raise BackendError(self.faults[0])


def _size(spec: ArraySpec) -> int:
    """Return the largest size of a picture that is expected. [bytes]."""
    return int(np.prod([axis or POINTS for axis in spec.shape])) * spec.dtype.itemsize
