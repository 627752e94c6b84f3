"""What the nodes share: parameters, failures that are reported, and diagnostics."""

import math
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter

from robot_policies.nodes.guarded import Guarded, one_line
from robot_policies.nodes.lifetime import FAULT, exempt_from_collection
from robot_policies.nodes.node_time import NodeTime
from robot_policies.nodes.settings import Setting

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


class NotYet(Exception):
    """A transition that will be made later, by the node itself; one line that says why."""


def reported(transition: Callable[[Any], None]) -> Transition:
    """Make a lifecycle transition of a method; an error in it is one line and ends unconfigured.

    rclpy itself swallows what a transition raises.
    """

    @wraps(transition)
    def wrapper(self: "GraphNode", state: LifecycleState) -> TransitionCallbackReturn:
        try:
            transition(self)
        except NotYet as reason:
            self.get_logger().info(f"{transition.__name__[3:]} comes later: {reason}")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # whatever it is, the reason must reach the operator
            self.get_logger().error(f"cannot {transition.__name__[3:]}: {one_line(error)}")
            release(self)
            return TransitionCallbackReturn.ERROR
        return getattr(GraphNode, transition.__name__)(self, state)

    return wrapper


def release(node: "GraphNode") -> None:
    """Let a node give back what it holds, whatever state it is in."""
    try:
        node.release()
    except Exception as error:  # the second fault must not hide the first
        node.status = FAULT
        node.get_logger().error(f"cannot release: {one_line(error)}")


def diagnosis(
    node: Node, level: bytes, message: str, values: Mapping[str, Any], hardware: str = ""
) -> DiagnosticArray:
    """Return a status named after a node, of some hardware."""
    name = node.get_fully_qualified_name().lstrip("/")
    pairs = [KeyValue(key=key, value=_text(value)) for key, value in values.items()]
    status = DiagnosticStatus(
        level=level, name=name, message=message, values=pairs, hardware_id=hardware
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = node.get_clock().now().to_msg()
    return array


class GraphNode(Guarded, LifecycleNode):
    """A lifecycle node with read-only settings and a place on `/diagnostics`.

    Attributes:
        status: Exit status of its process, once it has come to its end.
        hardware: What its statuses are about, such as `so101 on mujoco`; empty: no hardware.
    """

    status, hardware = 0, ""

    def __init__(self, name: str, settings: Mapping[str, Setting]) -> None:
        """Declare the settings.

        Args:
            name: Default node name.
            settings: By name of the parameter.
        """
        super().__init__(name)
        for key, setting in settings.items():
            self.declare_parameter(key, setting.default, setting.descriptor)
        self._clocks: list[Any] = []
        self.time = NodeTime(self)
        self.add_on_set_parameters_callback(_keep_time)
        self._settings = dict(settings)
        # By convention one topic for all robots; the status is named after the node.
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Note that what is loaded by now lives as long as the node."""
        exempt_from_collection()
        return super().on_configure(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and give back everything at once; nobody asks a node that was shut down."""
        release(self)
        return super().on_shutdown(state)

    def create_publisher(self, *arguments: Any, **options: Any) -> Any:
        """Make a publisher that handles no events.

        Each handler takes time in every round of the executor. A listener that asks for other
        qualities of service is told so at its own end.
        """
        events = PublisherEventCallbacks(use_default_callbacks=False)
        return super().create_publisher(*arguments, event_callbacks=events, **options)

    def destroy_node(self) -> None:
        """Leave the graph."""
        self.time.close()
        super().destroy_node()

    def settings(self) -> dict[str, Any]:
        """Return the parameters, each as the type of its default.

        Raises:
            ConfigError: If one cannot be what it is.
        """
        return {
            name: setting.read(name, self.get_parameter(name).value)
            for name, setting in self._settings.items()
        }

    def now(self) -> float:
        """Return the node's time: steady, or `/clock` under simulated time. [s]."""
        return self.time.now()

    def diagnose(self, level: bytes, message: str, values: Mapping[str, Any]) -> None:
        """Publish one status of this node."""
        self._diagnostics.publish(diagnosis(self, level, message, values, self.hardware))

    def every(self, period: float, callback: Callable[[], None]) -> None:
        """Call something periodically until `stop_clocks`.

        A late call is not made up for: the next one would follow at once, and a robot would take
        two control steps on one observation.

        Args:
            period: Time between two calls. [s]
            callback: What to call.
        """
        last = -math.inf

        def call() -> None:
            nonlocal last
            now = self.now()
            if now < last:
                last = -math.inf  # `/clock` was set back
            if now - last >= 0.5 * period:
                last = now
                callback()

        timer = self.create_timer(period, call, clock=self.time.timer_clock)
        self._clocks.append(timer)

    def stop_clocks(self) -> None:
        """End everything periodic."""
        clocks, self._clocks = self._clocks, []
        for clock in clocks:
            self.destroy_timer(clock)

    def interrupt(self) -> bool:
        """Prepare the end of the process; return whether the node needs to spin on for it."""
        return False

    def release(self) -> None:
        """Give back what `on_configure` took; may be called twice and at any time."""


def _keep_time(parameters: list[Parameter]) -> SetParametersResult:
    """Refuse another time base while the node runs: its timers and stamps would disagree."""
    if any(parameter.name == "use_sim_time" for parameter in parameters):
        return SetParametersResult(
            successful=False, reason="use_sim_time is read when a node starts; start it anew"
        )
    return SetParametersResult(successful=True)


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
