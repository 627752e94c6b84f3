"""What a person may ask of the node that has the robot.

`~/estop`, `~/reset_estop` and then `~/go` for every robot, `~/stand`, `~/walk` and `~/lie_down`
for one with modes, and `heartbeat`: once heard, its silence stops a robot with modes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from robot_policies.control import operations
from robot_policies.control.loop import ControlLoop, Decision
from robot_policies.control.mode_table import LeggedMode
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.qos import COMMAND

MODES = {"stand": LeggedMode.STAND, "walk": LeggedMode.POLICY, "lie_down": LeggedMode.LIE_DOWN}
NO_ROBOT = "there is no robot: not configured"


class OperatorServices:
    """Services of one robot."""

    def __init__(
        self,
        node: GraphNode,
        loop: Callable[[], ControlLoop | None],
        decided: Callable[[Decision], None],
    ) -> None:
        """Offer the services.

        Args:
            node: The node.
            loop: Returns the robot, if there is one.
            decided: Told what was sent.
        """
        self._node, self._loop, self._decided = node, loop, decided
        node.create_service(Trigger, "~/estop", self._on_estop)
        node.create_service(Trigger, "~/reset_estop", self._on_reset)
        node.create_service(Trigger, "~/go", self._on_go)
        for name, mode in MODES.items():
            node.create_service(Trigger, f"~/{name}", partial(self._on_mode, mode))
        node.create_subscription(Empty, "heartbeat", self._on_heartbeat, COMMAND)

    def _on_estop(self, request: Any, response: Trigger.Response) -> Trigger.Response:
        loop = self._loop()
        response.success = loop is not None
        response.message = "stopped" if loop else NO_ROBOT
        if loop and (
            decision := operations.emergency_stop(loop, "~/estop was called", self._node.now())
        ):
            self._decided(decision)
        return response

    def _on_reset(self, request: Any, response: Trigger.Response) -> Trigger.Response:
        loop = self._loop()
        refusal = operations.release(loop, self._node.now()) if loop else None
        response.success = refusal is None
        released = "released" if loop and loop.modes else "released; it holds until `go`"
        response.message = f"stays stopped: {refusal.text}" if refusal else released
        return response

    def _on_go(self, request: Any, response: Trigger.Response) -> Trigger.Response:
        loop = self._loop()
        refusal = operations.go(loop) if loop else NO_ROBOT
        response.success, response.message = not refusal, refusal or "going on"
        return response

    def _on_mode(
        self, mode: LeggedMode, request: Any, response: Trigger.Response
    ) -> Trigger.Response:
        loop = self._loop()
        refusal = operations.request(loop, mode) if loop else NO_ROBOT
        response.success = not refusal
        modes = loop.modes if loop else None
        response.message = f"refused: {refusal}" if refusal or not modes else str(modes.mode)
        return response

    def _on_heartbeat(self, message: Empty) -> None:
        loop = self._loop()
        if loop and loop.modes:
            loop.modes.beat()
