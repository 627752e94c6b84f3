"""Clocks that an episode runs on, and the network between it and the policy.

A `LogicalClock` counts control steps and nothing else tells the time, so an episode with injected
delay, jitter and loss is the same on a fast and on a slow machine.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from robot_policies.interface import ActionChunk, ConfigError

ROUNDING = 1e-9  # s; room for floating-point time


class Clock(Protocol):
    """What an episode asks the time."""

    def now(self) -> float:
        """Return the time. [s]."""
        ...

    def tick(self) -> None:
        """Return when the next control step is due."""
        ...


class LogicalClock:
    """Time that passes by one control period per tick."""

    def __init__(self, period: float) -> None:
        """Start at 0.

        Args:
            period: Control period. [s]
        """
        self._period, self._ticks = period, 0

    def now(self) -> float:
        """Return the time since the start. [s]."""
        return self._ticks * self._period

    def tick(self) -> None:
        """Let one period pass."""
        self._ticks += 1


class WallClock:
    """The machine's steady time, which nobody sets, for robots and logs that do not wait."""

    def __init__(
        self,
        period: float,
        read: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start now.

        Args:
            period: Control period. [s]
            read: Returns the time. [s]
            sleep: Waits for some seconds.
        """
        self._period, self._read, self._sleep = period, read, sleep
        self._due = read()

    def now(self) -> float:
        """Return the time. [s]."""
        return self._read()

    def tick(self) -> None:
        """Sleep until the next step; steps that were missed are not made up for."""
        self._due = max(self._due + self._period, self._read())
        self._sleep(max(0.0, self._due - self._read()))


@dataclass(frozen=True)
class NetworkModel:
    """What lies between an observation and its answer.

    Attributes:
        delay: Transport time, there and back. Answers overtake one another if it varies. [s]
        jitter: The delay varies evenly by this much in both directions. [s]
        loss: Share of observations that never reach the policy.
        inference: Time the policy needs for an answer; it takes no observation meanwhile. [s]
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    inference: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no network does."""
        if min(self.delay, self.jitter, self.inference) < 0.0 or not 0.0 <= self.loss <= 1.0:
            raise ConfigError(f"network: times must be >= 0 and loss in [0, 1], got {self}")


class NetworkChannel:
    """Carries observations to a policy and its answers back, in the model's time.

    Attributes:
        inference: Time the policy needs for an answer. [s]
    """

    def __init__(self, model: NetworkModel, seed: int) -> None:
        """Seed the network's own randomness, independent of the robot's and the policy's."""
        self._model = model
        self.inference = model.inference
        self._rng = np.random.default_rng((seed, 0x11E7))
        self._under_way: list[tuple[float, int, ActionChunk]] = []
        self._busy_until = -np.inf
        self._sent = 0

    def ready(self, now: float) -> bool:
        """Return whether the policy would take an observation."""
        return now >= self._busy_until - ROUNDING

    def loses(self) -> bool:
        """Draw whether an observation is lost."""
        return bool(self._rng.random() < self._model.loss)

    def answer(self, chunk: ActionChunk, now: float) -> None:
        """Send an answer on its way.

        Args:
            chunk: The answer.
            now: Moment the policy got the observation. [s]
        """
        delay = self._model.delay + self._model.jitter * self._rng.uniform(-1.0, 1.0)
        self._busy_until = now + self._model.inference
        self._sent += 1
        self._under_way.append((self._busy_until + max(0.0, delay), self._sent, chunk))
        self._under_way.sort(key=lambda entry: entry[:2])

    def arrived(self, now: float) -> list[ActionChunk]:
        """Return the answers that have come by now, in order of arrival."""
        here = [chunk for due, _, chunk in self._under_way if due <= now + ROUNDING]
        self._under_way = self._under_way[len(here) :]
        return here
