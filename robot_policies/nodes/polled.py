"""Subscriptions that wake nobody: whoever wants their messages takes them.

A round of rclpy's executor takes 0.6 ms, which every message costs that it hands out.
"""

from typing import Any

from rclpy.callback_groups import CallbackGroup


class Polled(CallbackGroup):
    """The group of such subscriptions."""

    def can_execute(self, entity: Any) -> bool:
        """Keep the executor away."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Keep the executor away."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing was begun."""


def next_message(subscription: Any) -> tuple[Any, Any] | None:
    """Return the next message of a subscription with what is known of it; `None` if none waits."""
    with subscription.handle:
        return subscription.handle.take_message(subscription.msg_type, subscription.raw)
