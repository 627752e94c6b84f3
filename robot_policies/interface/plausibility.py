"""Whether a joint can be where it was measured: in its range, and no faster there than it can go.

Drivers and the safety gate judge by the same rule. What it catches is not noise: zeros from a
second publisher, a joint counted one turn up, an encoder whose zero has moved.
"""

import numpy as np

from robot_policies.interface.robot import RobotSpec

TURNING, SLIDING = 0.087, 0.01  # rad, m; 5 degrees, Unitree's own position protection
FASTER = 2.0  # a pushed or falling joint moves faster than its motor; twice as fast is no motion


def overshoot(robot: RobotSpec) -> np.ndarray:
    """Return how far outside its range each joint may truly be. Shape (n,). [rad], [m].

    A stop gives way and a calibration is some degrees off; what is further out is not there.
    """
    return np.array([SLIDING if joint.sliding else TURNING for joint in robot.joints])


class Plausibility:
    """Judges the joints of one robot, measurement by measurement.

    A measurement that cannot be true changes nothing: the next one is compared with the last that
    could. The time from that one to the first doubt is all a joint gets, however long the doubt
    lasts, so that waiting does not make a jump believable.

    Attributes:
        believed: Last measurement that could be true, NaN before. Shape (n,). [rad], [m]
    """

    def __init__(self, robot: RobotSpec) -> None:
        """Begin with nothing measured."""
        self._robot, self._margin = robot, overshoot(robot)
        # Two measurements may be a control period further apart than their stamps say.
        self._lateness = 1.0 / robot.control_rate
        self.forget()

    def forget(self) -> None:
        """Compare the next measurement with none before it."""
        n = len(self._robot.joints)
        self.believed = np.full(n, np.nan)
        self._stamp, self._doubt = np.full(n, -np.inf), np.full(n, np.inf)

    def shift(self, time: float) -> None:
        """Move what was measured in time, when its clock was set. [s]."""
        self._stamp, self._doubt = self._stamp + time, self._doubt + time

    def judge(self, position: np.ndarray, stamp: float) -> tuple[int, str] | None:
        """Return the first joint that cannot be where it was measured, and why; else believe it.

        Args:
            position: NaN where this measurement says nothing. Shape (n,). [rad], [m]
            stamp: Its capture time. [s]
        """
        robot, seen = self._robot, np.isfinite(position)
        outside = np.maximum(robot.lower - position, position - robot.upper)
        elapsed = np.maximum(np.minimum(stamp, self._doubt) - self._stamp, 0.0)
        way = np.abs(position - self.believed)
        jumped = way > robot.velocity * (FASTER * elapsed + self._lateness)
        wrong = seen & ((outside > self._margin) | jumped)
        if not wrong.any():
            self.believed = np.where(seen, position, self.believed)
            self._stamp = np.where(seen, stamp, self._stamp)
            self._doubt = np.where(seen, np.inf, self._doubt)
            return None
        self._doubt = np.where(wrong, np.minimum(self._doubt, stamp), self._doubt)
        i = int(np.argmax(wrong))
        name, q = robot.joint_names[i], position[i]
        text = f"joint {name} measured at {q:.3g}, "
        if outside[i] > self._margin[i]:
            return i, f"{text}outside [{robot.lower[i]:.4g}, {robot.upper[i]:.4g}]"
        return (
            i,
            f"{text}{1e3 * elapsed[i]:.0f} ms after {self.believed[i]:.3g}: it is not so fast",
        )
