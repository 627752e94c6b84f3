"""Inference beside the executor: one thread, and only the newest observation waits."""

import threading
import time
from collections.abc import Callable

from robot_policies.interface import ActionChunk, Observation, Policy

PATIENCE = 0.005  # s; how long callbacks stand still for an inference


class InferenceWorker:
    """Runs `Policy.act` in its own thread, so that callbacks go on during a slow inference."""

    def __init__(
        self,
        policy: Policy,
        deliver: Callable[[ActionChunk, float], None],
        fail: Callable[[Exception], None],
    ) -> None:
        """Start the thread.

        Args:
            policy: Used by this thread alone from here on, except in `reset`.
            deliver: Takes a chunk and the time it took [s]; called from the thread.
            fail: Takes what `act` raised; called from the thread.
        """
        self._policy, self._deliver, self._fail = policy, deliver, fail
        self._pending: Observation | None = None
        self._open = True
        self._wake = threading.Condition()
        self._acting = threading.Lock()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def submit(self, observation: Observation) -> None:
        """Ask for a chunk; an observation that still waits is replaced.

        Waits a moment for the answer: two threads of one interpreter that both work take it from
        each other for milliseconds at a time, and a quick policy is done before.
        """
        self._idle.clear()
        with self._wake:
            self._pending = observation
            self._wake.notify()
        self._idle.wait(PATIENCE)

    def reset(self, seed: int) -> None:
        """Drop what waits and begin a new episode, once the running inference has ended."""
        with self._wake:
            self._pending = None
        with self._acting:
            self._policy.reset(seed)

    def close(self) -> None:
        """End the thread; an inference that does not return is left behind."""
        with self._wake:
            self._open = False
            self._wake.notify()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending is not None or not self._open)
                observation, self._pending = self._pending, None
            if not self._open or observation is None:
                return
            try:
                with self._acting:
                    begin = time.perf_counter()
                    chunk = self._policy.act(observation)
                    took = time.perf_counter() - begin
                self._deliver(chunk, took)
            except Exception as error:  # the thread must live on and the operator must know
                self._fail(error)
            self._idle.set()
