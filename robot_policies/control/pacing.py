"""When to ask the policy, and how old its plans become.

A policy that answers quickly is asked before its last plan runs out, early enough for the answer
to arrive in time, and the robot never waits. One whose answers take longer than a plan lasts
cannot be asked in motion: every row of its answer would be in the past. It is asked when the robot
has come to rest, and its plan begins when it arrives (`control/chunk_executor.py`):

    under way    ask ... answer                     at rest    ask ......... answer
                 plan k ----|                                  (hold)        plan k ---- (hold)
                            plan k + 1 ----|
"""

from collections import deque

import numpy as np

from robot_policies.control.chunk_executor import LATENESS, rows_followed
from robot_policies.interface import ActionSpec, ContractError, ExecutorMode, RobotSpec

ROOM = 1e-6  # steps; for floating-point time
REMEMBERED = 50  # answers whose longest says how early to ask


class Pacing:
    """Paces one policy.

    Attributes:
        times: What the newest answers took. [s]
    """

    def __init__(
        self, spec: ActionSpec, mode: ExecutorMode, control_rate: float, steps: int = 1
    ) -> None:
        """Take the rhythm.

        Args:
            spec: The policy's actions.
            mode: How its chunks are merged, which says how far one is followed.
            control_rate: Rate at which observations come. [Hz]
            steps: Observations an answer looks at. One that looks at several is asked a whole
                number of steps after the last question, as they were taken in its training.
        """
        self._whole = steps > 1
        self._dt, self._interval = spec.dt, rows_followed(spec, mode) * spec.dt
        self._lasts = spec.horizon * spec.dt
        self._rests = spec.executed * spec.dt  # a plan that begins at rest
        self._period = 1.0 / control_rate
        self.times: deque[float] = deque(maxlen=REMEMBERED)
        self.reset()

    def reset(self) -> None:
        """Begin an episode; what answers take stays known."""
        self._asked = self._answered = -np.inf

    @property
    def answer(self) -> float:
        """Longest of the newest answers. [s]."""
        return max(self.times, default=0.0)

    @property
    def waits(self) -> bool:
        """Whether the robot rests while the policy answers: two answers outlast a plan."""
        return 2.0 * self.answer + self._period > self._lasts + LATENESS

    @property
    def plan_age(self) -> float:
        """How old the observation behind a plan becomes while the plan is followed. [s]."""
        return self.answer + (self._rests if self.waits else self._interval)

    def due(self, stamp: float) -> bool:
        """Return whether to ask with an observation of this moment."""
        if stamp < self._asked:
            self.reset()
        return stamp >= self.next_due

    @property
    def next_due(self) -> float:
        """The moment of an observation from which on the policy is to be asked. [s].

        Half a control period of tolerance keeps a jitter in the stamps from costing a whole one.
        """
        if self.waits:
            return self._answered + self._rests + self._period
        early = self.answer + self._period if self.answer else 0.0
        interval = max(self._interval - early, min(self._dt, self._interval))
        if self._whole:
            interval = int(interval / self._dt + ROOM) * self._dt
        return self._asked + interval - 0.5 * self._period

    def asked(self, stamp: float) -> None:
        """Note that an observation of this moment was handed over."""
        self._asked = stamp

    def answered(self, now: float, took: float) -> None:
        """Note that an answer was given.

        Args:
            now: Time, on the clock of the stamps. [s]
            took: Time from question to answer. [s]
        """
        self.times.append(took)
        self._answered = now


def require_fresh(pacing: Pacing, robot: RobotSpec, limit: float) -> None:
    """Refuse a policy whose plans become older than the robot may follow.

    Args:
        pacing: Of the policy, warmed up.
        robot: The robot.
        limit: Oldest observation whose plan may be followed on it. [s]

    Raises:
        ContractError: With both times.
    """
    if pacing.plan_age > limit:
        raise ContractError(
            f"plans become {pacing.plan_age:.2f} s old (answers take {pacing.answer:.2f} s), "
            f"'{robot.name}' follows none older than {limit:.2f} s; a smaller n_action_steps in "
            f"the policy's config.json, a GPU with device:=auto, more threads:= or a larger "
            f"plan_age:= is needed"
        )
