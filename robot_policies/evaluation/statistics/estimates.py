"""What a sample says: an estimate with its interval, a difference with its test."""

from dataclasses import dataclass

CONFIDENCE = 0.95
ALPHA = 0.05  # 1 - CONFIDENCE, without its rounding


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % confidence interval.

    Attributes:
        mean: What was found; `None` of an empty sample.
        low: Lower end; `None` where the sample is too small to say.
        high: Upper end, likewise.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | list[float] | None]:
        """Return `{"mean", "ci95"}`."""
        return {"mean": self.mean, "ci95": interval(self.low, self.high)}


@dataclass(frozen=True)
class Difference:
    """How far sample a lies above sample b.

    Attributes:
        test: Name of the test.
        p: Two-sided p value of "no difference".
        difference: Mean of a minus mean of b.
        low: Lower end of its 95 % interval; `None` where the sample is too small to say.
        high: Upper end, likewise.
    """

    test: str
    p: float
    difference: float
    low: float | None
    high: float | None


def interval(low: float | None, high: float | None) -> list[float] | None:
    """Return the ends of an interval as JSON has them, `None` where there is none."""
    return None if low is None or high is None else [low, high]
