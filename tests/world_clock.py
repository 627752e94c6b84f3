"""`/clock` as a simulator publishes it: at a rate of its own, paused, or set anew."""

import threading
import time

from rclpy.node import Node  # noqa: TID251
from rosgraph_msgs.msg import Clock

from robot_policies.nodes.message_fields import to_time

PERIOD = 0.004  # s


class WorldClock:
    """A time; calling it returns it. [s]."""

    def __init__(self, rate: float = 1.0, start: float = 100.0) -> None:
        self.set(start, rate)
        self._closing = threading.Event()

    def __call__(self) -> float:
        start, rate, since = self._course
        return start + rate * (time.monotonic() - since)

    def set(self, now: float, rate: float) -> None:
        """Go on from a time [s] at a rate [s per s of the machine]."""
        self._course = now, rate, time.monotonic()

    def begin(self, node: Node) -> None:
        """Publish from a thread until closed."""
        self._publisher = node.create_publisher(Clock, "/clock", 10)
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _publish(self) -> None:
        while not self._closing.wait(PERIOD):
            self._publisher.publish(Clock(clock=to_time(self())))
