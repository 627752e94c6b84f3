"""A robot behind ros2_control: a joint state broadcaster and a joint trajectory controller.

A node of its own, in a thread. Under simulated time it runs on `/clock` as a driver in Gazebo or
Isaac Sim does. The joints may be broadcast in any order, by several messages, with joints that are
nobody's; a camera shows one blue pixel in its corner.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

from robot_policies_hardware.emulators.motion import AT_ONCE, Motion
from robot_policies_hardware.emulators.trajectory import NONE, JointController, Tolerances

STATES, COMMAND = "/joint_states", "/joint_trajectory_controller/joint_trajectory"
PICTURES = "/front/image_raw"
PERIOD = 0.01  # s; between two measurements
PICTURE_PERIOD = 0.05  # s
GLITCHES = 5  # of so many measurements one is wrong, where there is a glitch


class EmulatedRos2Control:
    """Broadcasts at 100 Hz and follows trajectories until it is closed.

    Attributes:
        joints: The joints and their controller.
        commands: The trajectories that arrived.
        stamped: Whether messages carry a stamp.
        late: Age of the messages. [s]
        measures_velocity: Whether velocities are broadcast.
        glitch: Positions that are broadcast instead, in every fifth measurement. [rad], [m]
        clock: What messages are stamped with, and by which the joints move. [s]
        node: Its node.
    """

    def __init__(
        self,
        position: Mapping[str, float],
        *,
        motion: Motion = AT_ONCE,
        tolerances: Tolerances = NONE,
        clock: Callable[[], float] = time.time,
        listens: bool = True,
        messages: int = 2,
        strangers: Sequence[str] = ("not_ours",),
        name: str = "emulated_ros2_control",
    ) -> None:
        """Begin to broadcast.

        Args:
            position: Where each joint is. [rad], [m]
            motion: How each moves.
            tolerances: When its controller gives a trajectory up.
            clock: Its clock. [s]
            listens: Whether there is a controller.
            messages: In how many messages a measurement is broadcast.
            strangers: Joints that are broadcast, too, and whose position is not known.
            name: Name of the node.
        """
        self.joints = JointController(position, motion, tolerances)
        self.commands: list[JointTrajectory] = []
        self.stamped, self.late, self.measures_velocity = True, 0.0, True
        self.glitch: dict[str, float] = {}
        self.clock, self._before = clock, clock()
        self._ticks, self._messages = 0, messages
        # No robot's table has them in this order.
        self._order = [*reversed(list(position)), *strangers]
        self._context = Context()
        self._context.init(args=[])
        self.node = node = Node(name, context=self._context)
        self._publisher = node.create_publisher(JointState, STATES, 10)
        if listens:
            node.create_subscription(JointTrajectory, COMMAND, self._on_command, 10)
        self._camera = node.create_publisher(Image, PICTURES, 1)
        node.create_timer(PERIOD, self._broadcast)
        node.create_timer(PICTURE_PERIOD, self._show)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._closing = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the graph."""
        self._closing = True
        self._thread.join(timeout=5.0)
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._closing:
            self._executor.spin_once(timeout_sec=PICTURE_PERIOD)

    def _broadcast(self) -> None:
        before, self._before = self._before, self.clock()
        given_up = len(self.joints.aborted)
        self.joints.advance(max(self._before - before, 0.0))  # a clock may be set back
        for reason in self.joints.aborted[given_up:]:
            self.node.get_logger().error(f"trajectory given up: {reason}")
        self._ticks += 1
        glitch = {} if self._ticks % GLITCHES else self.glitch
        position, velocity = {**self.joints.position, **glitch}, self.joints.velocity
        unknown, share = float("nan"), -(-len(self._order) // self._messages)
        for begin in range(0, len(self._order), share):
            names = self._order[begin : begin + share]
            message = JointState(name=names)
            message.position = [position.get(name, unknown) for name in names]
            if self.measures_velocity:
                message.velocity = [velocity.get(name, unknown) for name in names]
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
        starts = [point.time_from_start for point in trajectory.points]
        times = [start.sec + 1e-9 * start.nanosec for start in starts]
        positions = [point.positions for point in trajectory.points]
        if not self.joints.accept(list(trajectory.joint_names), times, positions):
            self.node.get_logger().error(f"trajectory rejected: {self.joints.rejected[-1]}")
