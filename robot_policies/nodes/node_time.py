"""A node's time: steady inside, ROS time on the wire.

Loops, timers and watchdogs run on the machine's steady clock, which nobody sets: a step of the
system's clock costs no control step. Stamps in messages are ROS time, as every other node expects.
The offset between the two is looked at with every stamp, so that all nodes of a machine follow a
clock that was set at the same moment. Under simulated time both are `/clock`, which is heard in a
thread, so that time passes while a node is in a callback.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from robot_policies.catalog import backends, entry
from robot_policies.interface import ConfigError

TRIES = 5  # the reading that was interrupted least counts
LEFT_ALONE = 1e-3  # s; by which the clocks may drift apart
PATIENCE = 10.0  # s; for the first message of `/clock`
LOOK = 0.02  # s; how often it is looked for
IN_FLIGHT = 0.5  # s; in which messages may come that were stamped before the clock was set


class NodeTime:
    """The clocks of one node.

    Attributes:
        simulated: Whether time is `/clock`.
        timer_clock: What timers run on.
        lead: By how much the clock that stamps are told by leads this machine's: not zero where
            the robot's node is on another computer. [s]
    """

    def __init__(self, node: Node) -> None:
        """Look at the node's parameter `use_sim_time`, which must not change afterwards."""
        self.simulated = bool(node.get_parameter("use_sim_time").value)
        self._listener = _ClockListener(node) if self.simulated else None
        self._ros: Any = (self._listener.node if self._listener else node).get_clock()
        self.timer_clock = self._ros if self.simulated else Clock(clock_type=ClockType.STEADY_TIME)
        self._offset = self._offset_before = self.lead = 0.0
        self._set_at = -math.inf  # when the system's clock was last seen to have been set
        if not self.simulated:
            self._offset = self._measure()

    def require(self) -> None:
        """Wait until there is a time; only a simulated one has to be waited for.

        Raises:
            ConfigError: If nobody says it.
        """
        end = time.monotonic() + PATIENCE
        while self.simulated and not self._ros_now():
            if time.monotonic() > end:
                raise ConfigError(
                    f"use_sim_time: nobody has published a time on /clock for {PATIENCE:g} s"
                )
            time.sleep(LOOK)

    def close(self) -> None:
        """Stop hearing `/clock`."""
        if self._listener:
            self._listener.close()
            self._listener = None

    def now(self) -> float:
        """Return the time. [s]."""
        return self._ros_now() if self.simulated else time.monotonic()

    def of_driver(self, backend: str) -> dict[str, Callable[[], float]]:
        """Return the clocks that a driver gets instead of its own, by option; none on steady time.

        Raises:
            ConfigError: If time is simulated and the backend has a time of its own.
        """
        if not self.simulated:
            return {}
        clocks = entry("backends", backend).clocks
        if not clocks:
            others = " and ".join(
                f"'{name}'" for name in backends() if entry("backends", name).clocks
            )
            raise ConfigError(
                f"use_sim_time is for backends {others} only: '{backend}' has a clock of its own"
            )
        return dict.fromkeys(clocks, self.now)

    def to_ros(self, moment: float) -> float:
        """Return ROS time. [s]."""
        self._follow()
        return moment + self._offset + self.lead

    def from_ros(self, stamp: float) -> float:
        """Return the node's time of a stamp. [s].

        What would lie ahead was stamped before the clock was set back.
        """
        self._follow()
        stamp -= self.lead
        moment = stamp - self._offset
        if self._set_at == -math.inf:
            return moment
        now, before = time.monotonic(), stamp - self._offset_before
        late = now - self._set_at < IN_FLIGHT and before <= now < moment
        return before if late else moment

    def _follow(self) -> None:
        """Take the offset anew where the system's clock has been set."""
        if self.simulated:
            return
        before, stamp, after = time.monotonic(), time.time(), time.monotonic()
        # However long the three took together, the true offset is between these two.
        if stamp - after - LEFT_ALONE <= self._offset <= stamp - before + LEFT_ALONE:
            return
        self._offset_before, self._offset = self._offset, self._measure()
        self._set_at = after

    @staticmethod
    def _measure() -> float:
        """Return by how much the system's clock leads the steady one. [s]."""
        readings = []
        for _ in range(TRIES):
            before, stamp, after = time.monotonic(), time.time(), time.monotonic()
            readings.append((after - before, stamp - 0.5 * (before + after)))
        return min(readings)[1]

    def _ros_now(self) -> float:
        return self._ros.now().nanoseconds * 1e-9


class _ClockListener:
    """A node that hears `/clock` in a thread of its own."""

    def __init__(self, node: Node) -> None:
        self.node = Node(
            f"{node.get_name()}_clock",
            namespace=node.get_namespace(),
            context=node.context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
            parameter_overrides=[Parameter("use_sim_time", value=True)],
        )
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self.node)
        self._thread = Thread(target=self._listen, name="clock", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop hearing."""
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()

    def _listen(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()
