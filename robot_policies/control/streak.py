"""How long something goes on that happens again and again."""


class Streak:
    """Moments that follow one another closely."""

    def __init__(self, gap: float) -> None:
        """Begin without any.

        Args:
            gap: What comes later than this after the last one begins anew. [s]
        """
        self._gap = gap
        self.end()

    def end(self) -> None:
        """Forget all of them."""
        self._moments: tuple[float, ...] = ()  # first and last

    def shift(self, by: float) -> None:
        """Follow a clock that jumped by some seconds."""
        self._moments = tuple(moment + by for moment in self._moments)

    def add(self, now: float) -> float:
        """Note that it happened; return for how long it has. [s]."""
        first, last = self._moments or (now, now)
        if now - last > self._gap:
            first = now
        self._moments = (first, now)
        return now - first
