"""What a control loop counts, and how evenly and how quickly it runs."""

from collections import Counter, deque

import numpy as np

from robot_policies.control.verdict import Level, Verdict

REMEMBERED = 10_000  # control periods and latencies the quantiles are about
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


class LoopCounts:
    """The counts of one trial.

    Attributes:
        steps: Control steps.
        levels: Control steps by how far the gate went.
        refusals: Control steps without a valid action, by cause.
        refused: Chunks that could not be read, by reason.
    """

    def __init__(self) -> None:
        """Begin a trial."""
        self.steps = 0
        self.levels: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._ticks: deque[float] = deque(maxlen=REMEMBERED)
        self._first_period = np.nan
        self._latencies: deque[float] = deque(maxlen=REMEMBERED)

    def measured(self, now: float) -> None:
        """Note when a control slot began."""
        self._ticks.append(now)
        if len(self._ticks) == 2:
            self._first_period = now - self._ticks[0]

    def answered(self, latency: float) -> None:
        """Note the time from an observation to the command that answers it. [s]."""
        self._latencies.append(latency)

    def settled(self, verdict: Verdict) -> None:
        """Note what was decided in the control slot that ends now."""
        self.steps += 1
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

    def figures(self, period: float) -> dict[str, float]:
        """Return them by names that carry their units.

        Args:
            period: The control period that is meant. [s]
        """
        figures: dict[str, float] = {"steps": float(self.steps)}
        if len(self._ticks) > 2:
            periods = np.diff(self._ticks)
            figures["loop_rate_mean_hz"] = float(1.0 / np.mean(periods))
            figures["loop_rate_std_hz"] = float(np.std(1.0 / np.maximum(periods, 1e-6)))
            figures["loop_period_first_ms"] = 1e3 * self._first_period
            figures["loop_period_max_ms"] = 1e3 * float(np.max(periods))
            figures["steps_missed"] = float(np.sum(np.round(periods / period) - 1.0))
        return figures | {f"latency_{name}_ms": 1e3 * v for name, v in self.latency.items()}
