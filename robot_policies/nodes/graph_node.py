"""What the nodes share: parameters, failures that are reported, diagnostics, and a way to run."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from robot_policies.interface import RobotPoliciesError

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
SENSOR = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
COMMAND = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def reported(transition: Callable[[Any], None]) -> Transition:
    """Make a lifecycle transition of a method; an error in it is one line and a failure.

    rclpy itself swallows what a transition raises.
    """

    @wraps(transition)
    def wrapper(self: "GraphNode", state: LifecycleState) -> TransitionCallbackReturn:
        try:
            transition(self)
        except Exception as error:  # whatever it is, the reason must reach the operator
            self.get_logger().error(f"cannot {transition.__name__[3:]}: {one_line(error)}")
            self.release()
            return TransitionCallbackReturn.FAILURE
        return getattr(super(GraphNode, self), transition.__name__)(state)

    return wrapper


def one_line(error: Exception) -> str:
    """Return an error as one line; the type is named unless the message is meant for people."""
    text = " ".join(str(error).split())
    return text if isinstance(error, RobotPoliciesError) else f"{type(error).__name__}: {text}"


def diagnosis(
    node: Node, level: bytes, message: str, values: Mapping[str, Any]
) -> DiagnosticArray:
    """Return a status named after a node."""
    name = node.get_fully_qualified_name().lstrip("/")
    pairs = [KeyValue(key=key, value=_text(value)) for key, value in values.items()]
    status = DiagnosticStatus(level=level, name=name, message=message, values=pairs)
    array = DiagnosticArray(status=[status])
    array.header.stamp = node.get_clock().now().to_msg()
    return array


class GraphNode(LifecycleNode):
    """A lifecycle node with read-only settings and a place on `/diagnostics`."""

    def __init__(self, name: str, settings: Mapping[str, tuple[Any, str]]) -> None:
        """Declare the settings.

        Args:
            name: Default node name.
            settings: Parameter name to default and description.
        """
        super().__init__(name)
        for key, (default, text) in settings.items():
            # Launch files cannot say 50.0 where somebody writes 50; the type follows the default.
            descriptor = ParameterDescriptor(description=text, read_only=True, dynamic_typing=True)
            self.declare_parameter(key, default, descriptor)
        self._defaults = {key: default for key, (default, _) in settings.items()}
        # By convention one topic for all robots; the status is named after the node.
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)

    def setting(self, name: str) -> Any:
        """Return a parameter as the type of its default.

        Raises:
            ValueError: If it cannot be read as such.
        """
        return type(self._defaults[name])(self.get_parameter(name).value)

    def now(self) -> float:
        """Return the node clock. [s]."""
        return self.get_clock().now().nanoseconds * 1e-9

    def diagnose(self, level: bytes, message: str, values: Mapping[str, Any]) -> None:
        """Publish one status of this node."""
        self._diagnostics.publish(diagnosis(self, level, message, values))

    def release(self) -> None:
        """Give back what `on_configure` took; may be called twice and at any time."""


def run(make: Callable[[], GraphNode]) -> None:
    """Spin a node until it is interrupted, then release what it holds."""
    rclpy.init()
    node = make()
    # One thread: several collapse at 500 Hz in rclpy, and nothing here blocks it for long.
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.release()
        rclpy.try_shutdown()


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
