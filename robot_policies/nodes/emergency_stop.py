"""The stop that latches: `~/estop` and `~/reset_estop`."""

from collections.abc import Callable
from typing import Any

from std_srvs.srv import Trigger

from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.robot_loop import Decision, RobotLoop


class EmergencyStop:
    """Two services of the node that has the robot."""

    def __init__(
        self,
        node: GraphNode,
        loop: Callable[[], RobotLoop | None],
        decided: Callable[[Decision], None],
    ) -> None:
        """Offer the services.

        Args:
            node: The node.
            loop: Returns the robot, if there is one.
            decided: Told what was sent.
        """
        self._loop, self._decided = loop, decided
        node.create_service(Trigger, "~/estop", self._on_estop)
        node.create_service(Trigger, "~/reset_estop", self._on_reset)

    def _on_estop(self, request: Any, response: Trigger.Response) -> Trigger.Response:
        loop = self._loop()
        response.success = loop is not None
        response.message = "stopped" if loop else "there is no robot: not configured"
        if loop and (decision := loop.emergency_stop("~/estop was called")):
            self._decided(decision)
        return response

    def _on_reset(self, request: Any, response: Trigger.Response) -> Trigger.Response:
        loop = self._loop()
        refusal = loop.release() if loop else None
        response.success = refusal is None
        response.message = f"stays stopped: {refusal.text}" if refusal else "released"
        return response
