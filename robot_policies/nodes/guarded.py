"""A node whose process outlives a bad request: it is logged and dropped."""

from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from rclpy.node import Node

from robot_policies.interface import RobotPoliciesError


class Guarded(Node):
    """Keeps what a service's callback raises from ending the executor.

    rclpy's own services too: a parameter of a type that does not exist raises in theirs.
    """

    def create_service(
        self, srv_type: Any, srv_name: str, callback: Callable[..., Any], **options: Any
    ) -> Any:
        """Offer a service."""

        async def guarded(request: Any, response: Any) -> Any:
            try:
                answer = callback(request, response)
                return await answer if isawaitable(answer) else answer
            except Exception as error:  # whatever is wrong with it, the robot goes on
                self.get_logger().error(
                    f"request to {srv_name} refused: {one_line(error)}", throttle_duration_sec=1.0
                )
                return srv_type.Response()

        return super().create_service(srv_type, srv_name, guarded, **options)


def one_line(error: Exception) -> str:
    """Return an error as one line; the type is named unless the message is meant for people."""
    text = " ".join(str(error).split())
    return text if isinstance(error, RobotPoliciesError) else f"{type(error).__name__}: {text}"
