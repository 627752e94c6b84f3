"""Inference without standing in the way: quick ones at once, slow ones in a thread.

Of observations that come during a slow one, only the newest waits.
"""

import math
import threading
from collections import deque
from collections.abc import Callable

from robot_policies.interface import ActionChunk, Observation, Policy

QUICK = 0.005  # s; how long callbacks may stand still for an inference, however fast the robot
RECENT = 10  # inferences


class InferenceWorker:
    """Runs `Policy.act`, and callbacks go on during a slow inference.

    A quick one runs in the caller's thread: two threads of one interpreter take it from each
    other, and waking the other takes time too, so that the same inference takes twice as long.
    What one takes is known from the quickest of the last few; what others took longer is the
    machine's doing, and a single disturbance must not make a policy slow for good.
    """

    def __init__(
        self,
        policy: Policy,
        deliver: Callable[[ActionChunk, float], None],
        fail: Callable[[Exception], None],
        clock: Callable[[], float],
        quick: float = QUICK,
        usual: float = math.inf,
    ) -> None:
        """Start the thread.

        Args:
            policy: Used by this object alone from here on.
            deliver: Takes a chunk and the time it took [s]; called from either thread.
            fail: Takes what `act` raised; called from either thread.
            clock: Returns the time, for what an inference takes. [s]
            quick: Longest inference that runs in the caller's thread. [s]
            usual: What one takes, as far as it is known. [s]
        """
        self._policy, self._deliver, self._fail = policy, deliver, fail
        self._pending: Observation | None = None
        self._open = True
        self._wake = threading.Condition()
        self._acting = threading.Lock()
        self._quick, self._clock = quick, clock
        self._took = deque([usual], maxlen=RECENT)  # s
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def submit(self, observation: Observation) -> None:
        """Ask for a chunk; an observation that still waits is replaced."""
        with self._wake:
            here = (
                min(self._took) <= self._quick
                and self._pending is None
                and self._acting.acquire(blocking=False)
            )
            if not here:
                self._pending = observation
                self._wake.notify()
        if here:
            self._infer(observation)

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
                self._acting.acquire()  # before a newer one may begin in the caller's thread
            self._infer(observation)

    def _infer(self, observation: Observation) -> None:
        """Act, and give back the turn to act."""
        begin = self._clock()
        try:
            chunk = self._policy.act(observation)
            took = self._clock() - begin
            self._took.append(took)
            self._deliver(chunk, took)
        except Exception as error:  # whatever it is, the node must live on and the operator know
            self._fail(error)
        finally:
            self._acting.release()
