"""Somebody who watches a robot all the time, and hears its stop whatever Python does.

A signal's number is written to a pipe as it arrives (`signal.set_wakeup_fd`), even while the main
thread computes an answer; Python's own handlers would wait for that.
"""

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable

from robot_policies.interface import BackendError
from robot_policies.lerobot_plugin.guard import Guard

STOPS = {signal.SIGQUIT: "Ctrl-\\", signal.SIGUSR1: "signal USR1"}
RELEASES = signal.SIGUSR2
log = logging.getLogger(__name__)


class Watch:
    """A thread that watches at the robot's control rate until it is closed."""

    def __init__(self, guard: Guard, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin.

        Args:
            guard: The robot.
            clock: Gives the time. [s]

        Raises:
            BackendError: If this is not the main thread, to which Python gives the signals.
        """
        if threading.current_thread() is not threading.main_thread():
            raise BackendError("gated: connect in the main thread, which hears the signals")
        self._guard, self._clock = guard, clock
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before = {number: signal.signal(number, _heard) for number in (*STOPS, RELEASES)}
        self._woken = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._running = True
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()
        log.info(
            "gate: Ctrl-\\ or 'kill -USR1 %d' stops; 'kill -USR2 %d' releases, and once more, "
            "and it follows",
            os.getpid(),
            os.getpid(),
        )

    def close(self) -> None:
        """End; signals mean again what they meant before."""
        self._running = False
        self._thread.join()
        signal.set_wakeup_fd(self._woken)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def _run(self) -> None:
        while self._running:
            if select.select([self._read], [], [], self._guard.period)[0]:
                for number in os.read(self._read, 64):
                    self._hear(number)
            self._guard.watch(self._clock())

    def _hear(self, number: int) -> None:
        if number in STOPS:
            self._guard.stop(STOPS[signal.Signals(number)], self._clock())
        elif number == RELEASES:
            self._guard.release(self._clock())


def _heard(number: int, frame: object) -> None:
    """Do nothing more: the number is in the pipe already."""
