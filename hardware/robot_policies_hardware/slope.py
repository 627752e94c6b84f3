"""Joint velocity of a driver that measures positions only."""

import numpy as np

SHORTEST = 1e-3  # s; over less, the encoder's step (1.5 mrad on a 12-bit servo) is 1.5 rad/s


class Slope:
    """The slope between the last two measurements; zero until there are two."""

    def __init__(self) -> None:
        """Start without a measurement."""
        self._position: np.ndarray | None = None
        self._velocity: np.ndarray | None = None
        self._stamp = 0.0

    def update(self, position: np.ndarray, stamp: float) -> np.ndarray:
        """Return the velocity at the newest measurement.

        Args:
            position: Shape (n,). [rad], [m]
            stamp: Its capture time. [s]

        Returns:
            Shape (n,). [rad/s], [m/s]
        """
        elapsed = stamp - self._stamp
        if self._position is None or self._velocity is None or elapsed < 0.0:
            self._velocity = np.zeros_like(position)
        elif elapsed < SHORTEST:
            return self._velocity.copy()
        else:
            self._velocity = (position - self._position) / elapsed
        self._position, self._stamp = position.copy(), stamp
        return self._velocity.copy()
