"""What the servo tracks in a mode: a smooth way from where the last mode left the robot.

Poses go the way of `control/minimum_jerk.py`, and so do gains, in `ModeTimes.blend`.
"""

import numpy as np

from robot_policies.control.minimum_jerk import between
from robot_policies.control.mode_table import GAINS, LeggedMode, ModeTimes
from robot_policies.interface import Command, Gains, RobotSpec


class ModeMotion:
    """The movement of a mode that holds the robot up.

    Attributes:
        since: When it began. [s]
        target: The newest target of a policy; `None` before the first. Shape (n,). [rad], [m]
    """

    def __init__(self, robot: RobotSpec, times: ModeTimes) -> None:
        """Take poses, gains and durations.

        Args:
            robot: The robot.
            times: How long things take.
        """
        self._robot, self._times = robot, times
        self._goals = {
            LeggedMode.STAND_UP: (robot.default, times.stand_up),
            LeggedMode.STAND: (robot.default, times.settle),
            LeggedMode.LIE_DOWN: (robot.lying, times.lie_down),
        }

    def begin(self, pose: np.ndarray, gains: Gains, now: float) -> None:
        """Begin a mode.

        Args:
            pose: Where the robot is, or is told to be. Shape (n,). [rad], [m]
            gains: Those in force.
            now: Time. [s]
        """
        self._start, self._start_gains, self.since = pose, gains, now
        self.target: np.ndarray | None = None

    def aim(self, target: np.ndarray, now: float) -> None:
        """Take a policy's target; the blend begins with the first one. Shape (n,)."""
        if self.target is None:
            self.since = now
        self.target = target

    def command(self, mode: LeggedMode, now: float) -> Command:
        """Return what the servo tracks.

        Args:
            mode: The mode it is in; none that damps.
            now: Time. [s]
        """
        goal, duration = self._goals.get(mode, (self.target, self._times.blend))
        elapsed = now - self.since
        if goal is None:  # the policy has said nothing yet
            goal, elapsed = self._start, 0.0
        target = between(self._start, goal, elapsed / duration)
        before, after = self._start_gains, self._robot.gains[GAINS[mode]]
        share = elapsed / self._times.blend
        stiffness = between(before.stiffness, after.stiffness, share)
        gains = Gains(stiffness, between(before.damping, after.damping, share))
        return Command(now, target, mode=GAINS[mode], gains=gains)
