"""One stall of a walking robot on the logical clock, in one process.

control    the loop does nothing: the robot goes on under its last command
policy     it answers nothing, then what it was asked when the stall began
messages   answers are kept back, then arrive all at once
"""

from dataclasses import dataclass
from typing import Any

from robot_policies.control.episode import run_episode
from robot_policies.control.records import EpisodeResult, StepRecord
from robot_policies.control.timing import NetworkChannel, NetworkModel
from robot_policies.interface import (
    ActionChunk,
    CommandMode,
    Policy,
    RobotSpec,
    Simulator,
    Task,
)

ORDERLY = ("success", "failure", "horizon")  # endings without a latched stop


@dataclass(frozen=True)
class Stall:
    """One stall.

    Attributes:
        place: What stalls.
        begin: When. [s]
        length: How long. [s]
    """

    place: str
    begin: float
    length: float

    def covers(self, now: float) -> bool:
        """Return whether it is on."""
        return self.begin <= now < self.begin + self.length


@dataclass(frozen=True)
class Outcome:
    """What became of a robot.

    Attributes:
        fell: Whether it fell.
        latched: Whether it was stopped for good.
        walks: Whether it neither fell nor was stopped, and was as fast as it was told.
        held: From the begin of the stall until it held; `None` if it did not. [s]
        followed: From the end of the stall until it followed its policy again, likewise. [s]
    """

    fell: bool
    latched: bool
    walks: bool
    held: float | None
    followed: float | None


class StalledClock:
    """A logical clock and a simulator whose control thread once does nothing for a while."""

    def __init__(self, simulator: Simulator, stall: Stall, period: float) -> None:
        self._simulator, self._stall, self._period = simulator, stall, period
        self._now, self._open = 0.0, stall.place == "control"

    def now(self) -> float:
        """Return the time. [s]."""
        return self._now

    def tick(self) -> None:
        """Let a period pass, and the stall when its time has come."""
        self._now += self._period
        if self._open and self._now >= self._stall.begin:
            self._open = False
            steps = round(self._stall.length / self._period)
            for _ in range(steps):
                self._simulator.advance(self._period)
            self._now += steps * self._period


class StalledChannel(NetworkChannel):
    """Answers that come late once."""

    def __init__(self, stall: Stall) -> None:
        super().__init__(NetworkModel(), seed=0)
        self._stall = stall

    def answer(self, chunk: ActionChunk, now: float) -> None:
        """Send an answer on its way, at the end of the stall if it is on."""
        if self._stall.place == "control" or not self._stall.covers(now):
            super().answer(chunk, now)
            return
        end = self._stall.begin + self._stall.length
        self._sent += 1
        self._under_way.append((end, self._sent, chunk))
        self._busy_until = end if self._stall.place == "policy" else now


class Watch:
    """Observer that notes when the robot held and when it followed again."""

    def __init__(self, stall: Stall) -> None:
        self._stall = stall
        self.held: float | None = None
        self.followed: float | None = None

    def begin(self, robot: RobotSpec, policy: Policy, task: Task, initial: Any) -> None:
        """Nothing to prepare."""

    def step(self, record: StepRecord) -> None:
        """Note the first hold after the stall began, and the first valid action after its end."""
        since = record.time - self._stall.begin
        if self.held is None and since >= 0.0 and record.sent.mode is CommandMode.HOLD:
            self.held = since
        over = since - self._stall.length
        if self.followed is None and over >= 0.0 and record.verdict.level == "pass":
            self.followed = over

    def end(self, result: EpisodeResult) -> None:
        """Nothing to finish."""


def stall_an_episode(
    policy: Policy, backend: Simulator, task: Task, stall: Stall, after: float, seed: int
) -> Outcome:
    """Walk with one stall.

    Args:
        policy: The policy.
        backend: A connected simulator.
        task: The task.
        stall: The stall.
        after: How long the robot is watched afterwards. [s]
        seed: Seed of the trial.
    """
    task.horizon = stall.begin + stall.length + after
    watch, period = Watch(stall), 1.0 / backend.spec.control_rate
    clock, channel = StalledClock(backend, stall, period), StalledChannel(stall)
    result = run_episode(
        backend, policy, task, seed=seed, clock=clock, network=channel, observers=(watch,)
    )
    fell, latched = bool(result.metrics["fall"]), result.ended_by not in ORDERLY
    walks = not fell and not latched and bool(result.metrics["success"])
    return Outcome(fell, latched, walks, watch.held, watch.followed)
