"""How a robot that pressed on a person, and has stopped, gives way to the load that is left.

A servo that stands still goes on pressing, and more so if the person comes nearer. The robot moves
along the force that it feels, which is away from what it presses on and towards what it pulls at,
until little is left, and then on by the clearance. It is admittance control (Hogan 1985) of one
speed: x' = v F / |F|.
"""

import numpy as np

from robot_policies.interface.person import PersonLimits

PACE = 0.8  # share of the speed allowed beside a person
CALM = 0.5  # share of the allowed mean load, below which nothing is given way to
LONGEST = 3.0  # s from the stop
BEGINNING = 0.01  # m in which the load may still rise, because arm and person are in motion


class Retreat:
    """The retreat after one stop."""

    def __init__(self, limits: PersonLimits, period: float) -> None:
        """Take the limits.

        Args:
            limits: Those beside a person.
            period: Control period. [s]
        """
        self._limits, self._period = limits, period
        self.end()

    def end(self) -> None:
        """Stand still from now on."""
        self._way, self._ends = 0.0, -np.inf

    def begin(self, force: np.ndarray, stamp: float) -> None:
        """Begin one.

        Args:
            force: That the robot feels, base frame. Shape (3,). [N]
            stamp: When it was measured. [s]
        """
        self._way, self._free = self._limits.retreat, np.inf  # m that are left; m without a load
        self._stamp, self._ends = stamp, stamp + LONGEST
        self._most, self._direction = float(np.linalg.norm(force)), np.zeros(3)

    def step(self, force: np.ndarray, stamp: float) -> np.ndarray:
        """Return how the watched link is to move after a measurement. Shape (3,). [m].

        Args:
            force: That the robot feels, base frame. Shape (3,). [N]
            stamp: When it was measured; the same measurement asks for nothing twice. [s]
        """
        load = float(np.linalg.norm(force))
        if self._limits.retreat - self._way <= BEGINNING:
            self._most = max(self._most, load)
        # A load that rises later says that the direction is wrong, or that something is behind.
        if not (load <= self._most + self._limits.peak_force and stamp <= self._ends):
            self.end()
        if self._way <= 0.0 or stamp <= self._stamp:
            return np.zeros(3)
        self._stamp = stamp
        length = min(PACE * self._limits.speed * self._period, self._way)
        if load > CALM * self._limits.force:
            self._direction, self._free = force / load, 0.0
        elif self._free < self._limits.clearance:
            self._free += length
        else:
            return np.zeros(3)
        self._way -= length
        return length * self._direction
