"""When to ask the policy again: not before its last answer runs out, but in time for the next."""

from collections import deque

import numpy as np

from robot_policies.control.chunk_executor import rows_followed
from robot_policies.interface import ActionSpec, ExecutorMode

REMEMBERED = 50  # inferences whose longest says how early to ask


class Pacing:
    """Paces one policy.

    Attributes:
        times: Durations of the newest inferences. [s]
    """

    def __init__(self, spec: ActionSpec, mode: ExecutorMode, control_rate: float) -> None:
        """Take the rhythm.

        Args:
            spec: The policy's actions.
            mode: How its chunks are merged, which says how far one is followed.
            control_rate: Rate at which observations come. [Hz]
        """
        self._dt, self._interval = spec.dt, rows_followed(spec, mode) * spec.dt
        self._period = 1.0 / control_rate
        self.times: deque[float] = deque(maxlen=REMEMBERED)
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._asked = -np.inf

    def due(self, stamp: float) -> bool:
        """Return whether to ask with an observation of this moment.

        Half a control period of tolerance keeps a jitter in the stamps from costing a whole one.
        """
        if stamp < self._asked:
            self.reset()
        early = max(self.times, default=0.0) + self._period
        interval = max(self._interval - early, min(self._dt, self._interval))
        return stamp >= self._asked + interval - 0.5 * self._period

    def asked(self, stamp: float) -> None:
        """Note that an observation of this moment was handed over."""
        self._asked = stamp
