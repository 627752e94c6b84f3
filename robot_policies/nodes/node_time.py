"""A node's time: steady inside, ROS time on the wire.

Loops, timers and watchdogs run on the machine's steady clock, which nobody sets: a step of the
system's clock costs no control step. Stamps in messages are ROS time, as every other node expects;
the two are held to one offset from the moment a trial begins. Under simulated time both are
`/clock`.
"""

import time
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

TRIES = 5  # the reading that was interrupted least counts


class NodeTime:
    """The clocks of one node.

    Attributes:
        simulated: Whether time is `/clock`.
        timer_clock: What timers run on.
    """

    def __init__(self, node: Node) -> None:
        """Look at the node's parameter `use_sim_time`, which must not change afterwards."""
        self._ros: Any = node.get_clock()
        self.simulated = bool(node.get_parameter("use_sim_time").value)
        self.timer_clock = self._ros if self.simulated else Clock(clock_type=ClockType.STEADY_TIME)
        self._offset = 0.0
        self.synchronize()

    def synchronize(self) -> None:
        """Take the offset of ROS time anew."""
        if self.simulated:
            return
        readings = []
        for _ in range(TRIES):
            before, stamp, after = time.monotonic(), self._ros_now(), time.monotonic()
            readings.append((after - before, stamp - 0.5 * (before + after)))
        self._offset = min(readings)[1]

    def now(self) -> float:
        """Return the time. [s]."""
        return self._ros_now() if self.simulated else time.monotonic()

    def to_ros(self, moment: float) -> float:
        """Return ROS time. [s]."""
        return moment + self._offset

    def from_ros(self, stamp: float) -> float:
        """Return the node's time of a stamp. [s]."""
        return stamp - self._offset

    def _ros_now(self) -> float:
        return self._ros.now().nanoseconds * 1e-9
