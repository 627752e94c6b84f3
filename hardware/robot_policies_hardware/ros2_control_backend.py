"""Any arm that already has a ROS 2 driver: `joint_states` in, a joint trajectory controller out.

Each command is a trajectory of one point that is due one control period after it arrives, so the
controller moves there instead of stepping. Which messages are believed is up to `ros2_states`.
When none was for `timeout`, that is an error; it counts only while this driver is read.

A position controller cannot be damped, so the damping mode holds the measured position as it is.
Where none is measured any more nothing is sent, and the controller holds its last target.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    CommandMode,
    ConfigError,
    ContractError,
    RobotSpec,
    RobotState,
    check_command,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import STATE
from robot_policies.interface.schema import build
from robot_policies_hardware.ros2_messages import GripTopic, camera_spec, camera_topics, picture
from robot_policies_hardware.ros2_states import DriverStates, publisher_names
from robot_policies_hardware.slope import Slope

SECOND = 0.3  # s; a second publisher has been heard by then, at the usual 10 Hz and more
SERVED = 2.0  # control periods; who reads less often did not listen in between
MOST_AT_ONCE = 64  # messages taken in one read, so that a flood cannot hold it up
CLOCK_STEP = 0.01  # s; a clock that drifts by less is left alone


class Ros2ControlBackend:
    """A `PublishedBackend` behind `joint_states` and a `joint_trajectory_controller`."""

    accepts = frozenset({ActionKind.JOINT_POSITION})
    measures_effort = True

    def __init__(
        self,
        spec: RobotSpec,
        scene: Mapping[str, Any] | None = None,
        *,
        states: str = "/joint_states",
        command: str = "/joint_trajectory_controller/joint_trajectory",
        joints: Mapping[str, str] | None = None,
        cameras: Mapping[str, Any] | None = None,
        grip: Mapping[str, Any] | None = None,
        timeout: float = 0.2,
        connect_timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the names; the node is made by `connect`.

        Args:
            spec: The robot's table.
            scene: The task's world; a real one is as it is.
            states: Topic of the joint state broadcaster.
            command: Topic of the controller.
            joints: The driver's name of a joint, if it is another.
            cameras: `topic`, `width` [px] and `height` [px] of each camera.
            grip: `command` and `open` of `GripTopic`, to let go of what pulls on a person.
            timeout: Age at which a measurement is refused. [s]
            connect_timeout: How long to wait for driver and controller. [s]
            clock: The clock that the driver's stamps are of. [s]
            steady: The clock that measurements are stamped with here. [s]
        """
        for name in joints or {}:
            if name not in spec.joint_names:
                raise ConfigError(
                    f"ros2_control.yaml: joints: no joint '{name}'."
                    f"{suggestion(name, spec.joint_names)}"
                )
        self.spec = spec
        self._grip = build(GripTopic, grip, "ros2_control.yaml: grip") if grip else None
        self._cameras = camera_topics(cameras or {}, "ros2_control.yaml: cameras")
        self.provides = {
            STATE: spec.streams[STATE],
            **{feature: camera_spec(feature, topic) for feature, topic in self._cameras.items()},
        }
        topics = {STATE: states, **{name: camera.topic for name, camera in self._cameras.items()}}
        self.published = {feature: f"/{topic.lstrip('/')}" for feature, topic in topics.items()}
        self._states, self._command = states, command
        self._names = tuple((joints or {}).get(name, name) for name in spec.joint_names)
        self._timeout, self._connect_timeout = timeout, connect_timeout
        self._clock, self._steady = clock, steady
        self._offset = steady() - clock()
        self._node: Node | None = None

    def connect(self) -> None:
        """Wait for the driver's first measurement and for the controller; sends nothing.

        Raises:
            BackendError: Naming the topic nobody publishes or listens to, or a missing joint.
        """
        self.close()
        # A context of its own: the node that holds this backend may shut its context down first.
        self._context = Context()
        self._context.init(args=[])
        self._node = Node(
            "robot_policies_ros2_control",
            context=self._context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        best_effort = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._node.create_subscription(JointState, self._states, self._on_states, best_effort)
        self._publisher = self._node.create_publisher(JointTrajectory, self._command, 1)
        if self._grip:
            self._opens = self._node.create_publisher(JointTrajectory, self._grip.command, 1)
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        for feature, camera in self._cameras.items():
            on_picture = partial(self._on_picture, feature)
            self._node.create_subscription(Image, camera.topic, on_picture, newest)
        there = partial(publisher_names, self._node, self._states)
        complain = partial(self._node.get_logger().error, throttle_duration_sec=1.0)
        self._driver = DriverStates(self.spec, self._names, self._timeout, there, complain)
        self._pictures: dict[str, tuple[np.ndarray, float]] = {}
        self._slope, self._received, self._refusal = Slope(), 0, ""
        self._looked = self._latest = self._clock()
        self._newest, self._silent = -np.inf, 0.0
        self._target: np.ndarray | None = None
        try:
            self._wait(self._missing, f"{self._states}: ")
            self._hear_everybody()
            self._wait(self._unseen, "")
            self._wait(self._unheard, f"{self._command}: ")
            if self._grip:
                self._wait(self._unopened, f"{self._grip.command}: ")
        except BackendError:
            self.close()
            raise

    def read(self, pictures: bool = True) -> RobotState:
        """Return the newest measurement of every joint.

        Raises:
            BackendError: If one is older than the timeout, or the driver's message is unusable.
        """
        self._connected("read")
        self._take()
        now = self._now()
        measured = [self._driver.measured[name] for name in self._names]
        oldest = min(measured, key=lambda joint: joint.stamp)
        if self._silence(oldest.stamp, now) > self._timeout:
            name, age = self._names[measured.index(oldest)], now - oldest.stamp
            raise BackendError(
                f"ros2_control: {self._states}: '{name}' is {age * 1e3:.0f} ms old, limit "
                f"{self._timeout * 1e3:.0f} ms; "
                f"{self._driver.reasons.get(name, 'is the driver alive?')}"
            )
        position = np.array([joint.position for joint in measured])
        velocity = _all_or_none([joint.velocity for joint in measured])
        slope, offset = self._slope.update(position, oldest.stamp), self._steady_offset()
        effort = _all_or_none([joint.effort for joint in measured])
        seen = self._pictures if pictures else {}
        return RobotState(
            stamp=oldest.stamp + offset,
            joint_position=position,
            joint_velocity=slope if velocity is None else velocity,
            joint_effort=np.empty(0) if effort is None else effort,
            features={feature: pixels for feature, (pixels, _) in seen.items()},
            stamps={feature: stamp + offset for feature, (_, stamp) in seen.items()},
        )

    def write(self, command: Command) -> Command:
        """Send joint targets; returns what was sent.

        Raises:
            BackendError: If they are none a joint may get, or no controller listens.
        """
        self._connected("write")
        check_command(command, self.spec, self.accepts, "ros2_control")
        reason = self._unheard()
        if reason:
            raise BackendError(f"ros2_control: {self._command}: {reason}")
        if command.mode is CommandMode.DAMP:
            return replace(command, values=self._hold())
        self._send(np.asarray(command.values, dtype=np.float64))
        return command

    def stop(self, reason: str) -> None:
        """Have the controller hold the measured position."""
        if self._node is not None and self._context.ok():
            self._hold()

    def let_go(self) -> None:
        """Have the grip's controller open it, if `grip` says which; never raises."""
        if self._node is not None and self._context.ok() and self._grip:
            self._opens.publish(self._trajectory(self._grip.open))

    def close(self) -> None:
        """Leave the graph; the controller holds its last target."""
        node, self._node = self._node, None
        if node is None:
            return
        self._executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        self._context.try_shutdown()

    def _send(self, values: np.ndarray) -> None:
        positions = dict(zip(self._names, values.tolist(), strict=True))
        self._publisher.publish(self._trajectory(positions))
        self._target = values

    def _trajectory(self, positions: Mapping[str, float]) -> JointTrajectory:
        """Return the way to some positions within a control period."""
        point = JointTrajectoryPoint(
            positions=[float(value) for value in positions.values()],
            time_from_start=Duration(seconds=1.0 / self.spec.control_rate).to_msg(),
        )
        # No header stamp: the trajectory starts when it arrives, whatever the driver's clock says.
        return JointTrajectory(joint_names=list(positions), points=[point])

    def _hold(self) -> np.ndarray:
        """Hold the measured pose; return what the controller holds, as far as it is known."""
        self._listen()
        measured = [self._driver.measured[name] for name in self._names]
        here = np.array([joint.position for joint in measured])
        if self._now() - min(joint.stamp for joint in measured) <= self._timeout:
            self._send(here)
        return here if self._target is None else self._target

    def _steady_offset(self) -> float:
        """Return the steady clock's lead over the driver's; it changes where that one was set."""
        offset = self._steady() - self._clock()
        if abs(offset - self._offset) > CLOCK_STEP:
            self._offset = offset
        return self._offset

    def _silence(self, stamp: float, now: float) -> float:
        """Return how long it was listened since the oldest measurement was new. [s]."""
        listened = min(now - self._looked, SERVED / self.spec.control_rate)
        self._silent = 0.0 if stamp > self._newest else self._silent + listened
        self._looked, self._newest = now, stamp
        return self._silent

    def _now(self) -> float:
        """Return the driver's time; where its clock was set back, every age stays what it was."""
        before, self._latest = self._latest, self._clock()
        shift = self._latest - before
        if shift < 0.0:
            self._driver.shift(shift)
            self._looked, self._newest = self._looked + shift, self._newest + shift
            seen = self._pictures.items()
            self._pictures = {name: (pixels, stamp + shift) for name, (pixels, stamp) in seen}
        return self._latest

    def _take(self) -> None:
        self._listen()
        if self._refusal:
            reason, self._refusal = self._refusal, ""
            raise BackendError(f"ros2_control: {reason}")

    def _listen(self) -> None:
        idle = 0
        for _ in range(MOST_AT_ONCE):
            before = self._received
            self._executor.spin_once(timeout_sec=0.0)
            # Without a timeout the executor finishes its round with an empty call.
            idle = 0 if self._received > before else idle + 1
            if idle == 2:
                break

    def _on_states(self, message: JointState, info: Mapping[str, Any]) -> None:
        self._received += 1
        publisher = info.get("publisher_gid", {}).get("data", b"")
        self._driver.take(message, publisher, self._now())

    def _on_picture(self, feature: str, message: Image) -> None:
        self._received += 1
        try:
            pixels, stamp = picture(message)
            self.provides[feature].validate(pixels)
        except (BackendError, ContractError) as error:
            self._refusal = f"{self._cameras[feature].topic}: {error}"
            return
        self._pictures[feature] = pixels, stamp

    def _missing(self) -> str:
        self._take()
        driver = self._driver
        for name in self._names:
            if name not in driver.measured:
                if not driver.seen:
                    return "no message; is the joint state broadcaster running?"
                nearest = f"no joint '{name}'.{suggestion(name, driver.seen)}"
                return driver.reasons.get(name, nearest)
        return ""

    def _unseen(self) -> str:
        self._take()
        for feature, camera in self._cameras.items():
            if feature not in self._pictures:
                return f"{camera.topic}: no picture; is the camera driver running?"
        return ""

    def _unheard(self) -> str:
        if self._publisher.get_subscription_count():
            return ""
        return "no controller listens; `ros2 control list_controllers` says which are active"

    def _unopened(self) -> str:
        if self._opens.get_subscription_count():
            return ""
        return "no controller listens, the grip could not be opened"

    def _wait(self, unmet: Callable[[], str], where: str) -> None:
        end = time.monotonic() + self._connect_timeout
        while reason := unmet():
            if time.monotonic() > end:
                raise BackendError(f"ros2_control: {where}{reason}")
            self._executor.spin_once(timeout_sec=0.05)

    def _hear_everybody(self) -> None:
        end = time.monotonic() + SECOND
        while (left := end - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=left)
        if self._driver.contested:
            raise BackendError(f"ros2_control: {self._states}: {self._driver.contested}")

    def _connected(self, verb: str) -> None:
        if self._node is None:
            raise BackendError(f"ros2_control: {verb} before connect")


def _all_or_none(values: list[float | None]) -> np.ndarray | None:
    numbers = [value for value in values if value is not None]
    return np.array(numbers) if len(numbers) == len(values) else None
