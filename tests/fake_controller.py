"""A ROS 2 arm in a thread: joint state broadcasters and a joint trajectory controller.

The joints are broadcast in another order than any robot's table has them, by two broadcasters,
with one joint more than the robot has, whose position is unknown. The controller goes to a
trajectory's last point at once. A camera shows one blue pixel in the corner, as bgr8.
"""

import threading
import time
from collections.abc import Callable, Sequence

from rclpy.context import Context  # noqa: TID251
from rclpy.executors import SingleThreadedExecutor  # noqa: TID251
from rclpy.node import Node  # noqa: TID251
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

STATES, COMMAND = "/joint_states", "/joint_trajectory_controller/joint_trajectory"
PICTURES = "/front/image_raw"


class FakeController:
    """Broadcasts at 100 Hz until closed.

    Attributes:
        position: Where each joint is. [rad]
        commands: The trajectories that arrived.
        stamped: Whether messages carry a stamp.
        late: Age of the messages. [s]
        measures_velocity: Whether velocities are broadcast.
        node: Its node.
        glitch: Positions that are broadcast instead, in every fifth message. [rad]
        clock: What messages are stamped with. [s]
    """

    def __init__(
        self, joints: Sequence[str], listens: bool = True, name: str = "fake_controller"
    ) -> None:
        self.position = dict.fromkeys(joints, 0.1)
        self.commands: list[JointTrajectory] = []
        self.stamped, self.late, self.measures_velocity = True, 0.0, True
        self.glitch: dict[str, float] = {}
        self.clock: Callable[[], float] = time.time
        self._ticks = 0
        self._order = [*reversed(joints), "not_ours"]
        self._context = Context()
        self._context.init(args=[])
        node = Node(name, context=self._context)
        self._publisher = node.create_publisher(JointState, STATES, 10)
        if listens:
            node.create_subscription(JointTrajectory, COMMAND, self._on_command, 10)
        self._camera = node.create_publisher(Image, PICTURES, 1)
        node.create_timer(0.01, self._broadcast)
        node.create_timer(0.05, self._show)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self.node = node
        self._closing = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        self._thread.join(timeout=5.0)
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._closing:
            self._executor.spin_once(timeout_sec=0.05)

    def _broadcast(self) -> None:
        half, self._ticks = len(self._order) // 2, self._ticks + 1
        glitch = {} if self._ticks % 5 else self.glitch
        position = {**self.position, **glitch}
        for joints in (self._order[:half], self._order[half:]):
            message = JointState(name=joints)
            message.position = [position.get(joint, float("nan")) for joint in joints]
            if self.measures_velocity:
                message.velocity = [0.5] * len(joints)
            self._stamp(message)
            self._publisher.publish(message)

    def _show(self) -> None:
        picture = Image(encoding="bgr8", width=4, height=2, step=12, data=bytes([255] + [0] * 23))
        self._stamp(picture)
        self._camera.publish(picture)

    def _stamp(self, message: JointState | Image) -> None:
        if self.stamped:
            stamp = self.clock() - self.late
            message.header.stamp.sec = int(stamp)
            message.header.stamp.nanosec = int(stamp % 1.0 * 1e9)

    def _on_command(self, trajectory: JointTrajectory) -> None:
        self.commands.append(trajectory)
        point = trajectory.points[-1]
        self.position |= dict(zip(trajectory.joint_names, point.positions, strict=True))
