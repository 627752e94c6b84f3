"""The person's node: joystick and commanded velocities in, `cmd_vel`, wishes and a heartbeat out.

`joy` (any ROS joystick driver) and `cmd_vel_in` (navigation) become `cmd_vel`, which has
precedence over a task's goal; buttons call the services of the node that has the robot. The
heartbeat ends with this node or with a joystick that falls silent, and the robot stops then.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from robot_policies.control.teleop import Teleop, TeleopSettings
from robot_policies.data.ros_messages import decode_velocity
from robot_policies.interface import ContractError
from robot_policies.nodes.guarded import Guarded
from robot_policies.nodes.lifetime import leave
from robot_policies.nodes.messages import encode_velocity
from robot_policies.nodes.qos import COMMAND

RATE = 20.0  # Hz; ten heartbeats may be lost before the robot stops
SILENCE = 3.0  # s; the robot's node reports once a second


class OperatorNode(Guarded, Node):
    """Steers one robot."""

    def __init__(self, told: Callable[[str], None] | None = None, **node: Any) -> None:
        """Subscribe and announce.

        Args:
            told: Takes the answers to wishes, one line each; the log by default.
            **node: Of rclpy's node.
        """
        super().__init__("operator", **node)
        self.teleop = Teleop(
            TeleopSettings(
                fastest=self._parameter("fastest", [0.8, 0.3, 0.5]),
                dead_band=self._parameter("dead_band", 0.1),
                timeout=self._parameter("timeout", 0.5),
                axes=self._parameter("axes", [1, 0, 3]),
            )
        )
        backend = self._parameter("backend", "backend")
        self._told = told or self.get_logger().info
        self._wishes = {
            wish: self.create_client(Trigger, f"{backend}/{wish}")
            for wish in self.teleop.settings.buttons
        }
        self._velocity = self.create_publisher(TwistStamped, "cmd_vel", COMMAND)
        self._heartbeat = self.create_publisher(Empty, "heartbeat", COMMAND)
        self.create_subscription(Joy, "joy", self._on_joy, COMMAND)
        self.create_subscription(TwistStamped, "cmd_vel_in", self._on_command, COMMAND)
        self._robot = f"{self.get_namespace().strip('/')}/{backend}".lstrip("/")
        self._heard: tuple[float, str] | None = None
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        self.create_timer(1.0 / RATE, self._tick)

    def now(self) -> float:
        """Return the node clock. [s]."""
        return self.get_clock().now().nanoseconds * 1e-9

    @property
    def status(self) -> str:
        """The robot's mode and safety level, or what is awaited."""
        if self._heard is None:
            return f"waiting for '{self._robot}', which has the robot"
        since, status = self.now() - self._heard[0], self._heard[1]
        return status if since < SILENCE else f"'{self._robot}' has been silent for {since:.0f} s"

    def wish(self, wish: str) -> None:
        """Ask the robot's node; the answer is told when it comes."""
        client = self._wishes[wish]
        if not client.service_is_ready():
            self._told(f"{wish}: {self.status}")
            return
        client.call_async(Trigger.Request()).add_done_callback(partial(self._answered, wish))

    def _answered(self, wish: str, future: Any) -> None:
        self._told(f"{wish}: {future.result().message}")

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name == self._robot and "level" in values:
                mode = f"mode {values['mode']}, " if "mode" in values else ""
                self._heard = self.now(), f"{mode}safety {values['level']}"

    def _on_joy(self, message: Joy) -> None:
        try:
            for wish in self.teleop.stick(message.axes, message.buttons, self.now()):
                self.wish(wish)
        except ContractError as error:
            self.get_logger().error(str(error), throttle_duration_sec=1.0)

    def _on_command(self, message: TwistStamped) -> None:
        try:
            velocity = np.asarray(decode_velocity(message).values, float)
            self.teleop.command(velocity, self.now())
        except ContractError as error:
            self.get_logger().error(str(error), throttle_duration_sec=1.0)

    def _tick(self) -> None:
        now = self.now()
        self._velocity.publish(encode_velocity(self.teleop.velocity(now), now))
        if self.teleop.is_there(now):
            self._heartbeat.publish(Empty())

    def _parameter(self, name: str, default: Any) -> Any:
        value: Any = self.declare_parameter(name, default).value
        return tuple(value) if isinstance(default, list) else value


def main() -> None:
    """Run the node."""
    rclpy.init()
    node = OperatorNode()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        leave(node)


if __name__ == "__main__":
    main()
