"""How far a target may have moved by now, whatever came before, in true time.

A policy that keeps a speed limit v and is sampled once per control period P moves its target by at
most v P a step. Whenever such steps arrive, early, late or replaced, any two targets u_i, u_j
satisfy

    |u_j - u_i| <= v (t_j - t_i + P),

and this is what is allowed. One period is therefore the longest lead over true time, so commands
that come twice a period move no faster in the long run, and an answer that is late by a part of a
period is not refused. The bound over all earlier i is kept as two values per joint, the largest
and the smallest target that every earlier one allows.
"""

import numpy as np


class SpeedEnvelope:
    """The targets that a speed limit allows now."""

    def __init__(self, velocity: np.ndarray, period: float) -> None:
        """Take the limit.

        Args:
            velocity: Speed limits. Shape (n,). [rad/s], [m/s]
            period: Control period. [s]
        """
        self._velocity, self._lead = velocity, velocity * period
        self.start(np.zeros(len(velocity)), 0.0)

    def start(self, target: np.ndarray, now: float) -> None:
        """Forget the past: only this target counts. Shape (n,)."""
        self._lowest = self._highest = target
        self._time = now

    def shift(self, by: float) -> None:
        """Follow a clock that jumped by some seconds."""
        self._time += by

    def bounds(self, now: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and the largest target allowed now. Shape (n,) each."""
        way = self._velocity * max(now - self._time, 0.0) + self._lead
        return self._lowest - way, self._highest + way

    def sent(self, target: np.ndarray, now: float) -> None:
        """Note the target in force from now on. Shape (n,)."""
        low, high = self.bounds(now)
        self._lowest = np.maximum(low + self._lead, target)
        self._highest = np.minimum(high - self._lead, target)
        self._time = now
