"""What a control loop counts, and how evenly and how quickly it runs."""

from collections import Counter, deque

import numpy as np

from robot_policies.control.verdict import Level, Verdict

REMEMBERED = 10_000  # latencies the quantiles are about: the newest
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


class LoopCounts:
    """The counts of one trial, of any length.

    Attributes:
        steps: Control steps.
        levels: Control steps by how far the gate went.
        refusals: Control steps without a valid action, by cause.
        refused: Chunks that could not be read, by reason.
    """

    def __init__(self, period: float) -> None:
        """Begin a trial with the control period that is meant. [s]."""
        self._period = period
        self.steps = self._unanswered = 0
        self.levels: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._tick: float | None = None
        self._first_period = np.nan
        self._periods = self._missed = 0
        self._longest = self._total = 0.0
        self._rate_mean = self._rate_spread = 0.0  # of Welford's algorithm: mean, sum of squares
        self._latencies: deque[float] = deque(maxlen=REMEMBERED)

    def measured(self, now: float) -> None:
        """Note when a control slot began."""
        before, self._tick = self._tick, now
        if before is None or now < before:  # nobody knows what a clock skipped that was set back
            return
        took = now - before
        if not self._periods:
            self._first_period = took
        rate = 1.0 / max(took, 1e-6)
        self._periods += 1
        self._missed += round(took / self._period) - 1
        self._longest = max(self._longest, took)
        self._total += took
        off = rate - self._rate_mean
        self._rate_mean += off / self._periods
        self._rate_spread += off * (rate - self._rate_mean)

    def answered(self, latency: float) -> None:
        """Note the time from an observation to the command that answers it. [s]."""
        self._latencies.append(latency)

    def settled(self, verdict: Verdict) -> None:
        """Note what was decided in the control slot that ends now."""
        self.steps += 1
        self._unanswered += not self._latencies
        self.levels[verdict.level] += 1
        if verdict.refusal and verdict.level is not Level.APPROACH:
            self.refusals[verdict.refusal.cause] += 1

    @property
    def latency(self) -> dict[str, float]:
        """Quantiles of the time from observation to the command that answers it. [s]."""
        if not self._latencies:
            return {}
        values = np.quantile(self._latencies, list(QUANTILES.values())).tolist()
        return dict(zip(QUANTILES, values, strict=True))

    def figures(self) -> dict[str, float]:
        """Return them by names that carry their units."""
        figures = {"steps": float(self.steps)}
        figures["steps_before_first_answer"] = float(self._unanswered)
        if self._periods > 1:
            figures["loop_rate_mean_hz"] = self._periods / self._total
            figures["loop_rate_std_hz"] = float(np.sqrt(self._rate_spread / self._periods))
            figures["loop_period_first_ms"] = 1e3 * self._first_period
            figures["loop_period_max_ms"] = 1e3 * self._longest
            figures["steps_missed"] = float(self._missed)
        return figures | {f"latency_{name}_ms": 1e3 * v for name, v in self.latency.items()}
