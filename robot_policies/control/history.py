"""Earlier observations for a policy that looks back, found by their stamps.

A policy was trained on observations that lie one step apart. It is asked less often than that,
and its question may come late. So an observation is kept every step whether it is asked or not,
and a question takes what was seen nearest to one step before it, two steps before it, and so on.
Where nothing is known, as at the start, the oldest that is known stands for it, as in LeRobot.
"""

from robot_policies.interface import ActionSpec, Observation, ObservationSpec


class History:
    """What one policy saw in its last steps."""

    def __init__(self, needs: ObservationSpec, action: ActionSpec, control_rate: float) -> None:
        """Take the rhythm.

        Args:
            needs: What the policy needs, and how many steps of it.
            action: Its actions, one a step.
            control_rate: Rate at which observations come. [Hz]
        """
        self._steps, self._dt, self._period = needs.steps, action.dt, 1.0 / control_rate
        self.reset()

    def reset(self) -> None:
        """Begin an episode."""
        self._kept: list[Observation] = []

    @property
    def next_due(self) -> float:
        """The moment from which on an observation is to be kept; never for one step. [s]."""
        if self._steps == 1:
            return float("inf")
        newest = self._kept[-1].stamp if self._kept else -float("inf")
        return newest + self._dt - 0.5 * self._period

    def due(self, stamp: float) -> bool:
        """Return whether an observation of this moment is to be kept."""
        if self._kept and stamp < self._kept[-1].stamp:
            self.reset()
        return stamp >= self.next_due

    def extend(self, observation: Observation) -> Observation:
        """Keep an observation; return it with the earlier ones."""
        if self._steps == 1:
            return observation
        now, half = observation.stamp, 0.5 * self._dt
        oldest = now - (self._steps - 1) * self._dt - half
        self._kept = [kept for kept in self._kept if oldest < kept.stamp < now]
        earlier = []
        for back in range(self._steps - 1, 0, -1) if self._kept else ():
            by = now - back * self._dt + half
            before = [kept for kept in self._kept if kept.stamp < by]
            earlier.append(before[-1] if before else self._kept[0])
        self._kept.append(observation)
        return Observation(dict(observation), observation.stamps, earlier)
