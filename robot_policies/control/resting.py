"""Where a robot is commanded to be while it holds.

A robot with a fixed base stays at its last command. A legged robot that stopped in the middle of a
stride would stand on two legs and fall: it goes to its default pose, where it stands by itself.
"""

import numpy as np

from robot_policies.control.minimum_jerk import between, least_time
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.interface import RobotSpec


class Resting:
    """One hold after the other of a robot that is commanded positions."""

    def __init__(self, robot: RobotSpec, limits: SafetyLimits) -> None:
        """Take poses and limits.

        Args:
            robot: The robot.
            limits: Its settle time and margins.
        """
        self._robot, self._limits = robot, limits
        self._period = 1.0 / robot.control_rate
        self.end()

    def end(self) -> None:
        """End the hold under way."""
        self._since = np.inf

    def target(self, command: np.ndarray, now: float) -> np.ndarray:
        """Return the command of a control step in which the robot holds. Shape (n,).

        Args:
            command: The one in force. Shape (n,). [rad], [m]
            now: Time. [s]
        """
        robot, limits = self._robot, self._limits
        if not robot.floating_base:
            return command
        if self._since == np.inf:
            way, self._start, self._since = robot.default - command, command, now
            velocity = limits.velocity_margin * robot.velocity
            acceleration = limits.acceleration_margin * robot.acceleration
            self._takes = max(limits.settle_time, least_time(way, velocity, acceleration))
        elapsed = now + self._period - self._since  # where it is to be when this step is over
        return between(self._start, robot.default, elapsed / self._takes)

    def shift(self, by: float) -> None:
        """Follow a clock that jumped by some seconds."""
        self._since += by
