"""Rates that mean the same: `dt: 0.0333` is 30 Hz, and a camera's 29.97 Hz is, too."""

RATE_TOLERANCE = 0.01  # share by which two rates that mean the same may differ


def whole_periods(dt: float, rate: float) -> int:
    """Return how many periods of a rate a time step is, within the tolerance; 0 if no number is.

    Args:
        dt: Time step. [s]
        rate: [1/s]
    """
    periods = max(round(dt * rate), 1)
    return periods if abs(dt * rate / periods - 1.0) <= RATE_TOLERANCE else 0
