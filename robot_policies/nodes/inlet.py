"""What the policy's node hears: the streams its policy needs, joined into observations."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rclpy.callback_groups import CallbackGroup

from robot_policies.control.observation_buffer import ObservationBuffer
from robot_policies.interface import (
    ArraySpec,
    ContractError,
    Observation,
    ObservationSpec,
    StaleObservation,
)
from robot_policies.interface.observation import IMU, STATE, TASK
from robot_policies.nodes.graph_node import ERROR, LATCHED, SENSOR, WARN, GraphNode
from robot_policies.nodes.messages import stream

GRACE = 0.002  # s; how long joints wait for an inertial measurement of their moment


class Polled(CallbackGroup):
    """Subscriptions that wake nobody: whoever wants their newest message takes it.

    A round of rclpy's executor takes 0.6 ms, which every message costs that it hands out.
    """

    def can_execute(self, entity: Any) -> bool:
        """Keep the executor away."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Keep the executor away."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing was begun."""


class Inlet:
    """Subscriptions of one policy.

    An observation is due when joints arrive and the policy is; then the newest of all other
    streams is read. If the inertial measurement of that moment is not there yet, it has a short
    while to come.
    """

    def __init__(
        self,
        node: GraphNode,
        spec: ObservationSpec,
        provides: Mapping[str, ArraySpec],
        due: Callable[[float], bool],
        take: Callable[[Observation], None],
        complain: Callable[[bytes, str], None],
    ) -> None:
        """Subscribe.

        Args:
            node: The node.
            spec: What the policy needs.
            provides: What the robot gives.
            due: Says whether an observation of a moment [s] is wanted.
            take: Takes an observation.
            complain: Takes the diagnostic level and the reason why there is none.
        """
        self._node, self._due, self._take, self._complain = node, due, take, complain
        self._buffer = ObservationBuffer(spec, provides)
        self._trigger = STATE if STATE in spec else next(iter(spec))
        self._inertial = -np.inf if IMU in spec else np.inf  # newest stamp
        self._grace = node.create_timer(GRACE, self._after_grace)
        self._grace.cancel()
        polled = Polled()
        self._subscriptions = {
            feature: node.create_subscription(
                stream(feature).message,
                stream(feature).topic,
                self._on_trigger,
                LATCHED if feature == TASK else SENSOR,
                callback_group=None if feature == self._trigger else polled,
            )
            for feature in (*spec, *((TASK,) if spec.needs_task else ()))
        }

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._grace)
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions = {}

    def _on_trigger(self, message: Any) -> None:
        stamp = self._read(self._trigger, message)
        if not self._due(stamp):
            return
        self._poll()
        if self._inertial < stamp:
            self._grace.reset()
        else:
            self._make()

    def _after_grace(self) -> None:
        self._poll()
        self._make()

    def _poll(self) -> None:
        for feature, subscription in self._subscriptions.items():
            if feature == self._trigger:
                continue
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken:
                stamp = self._read(feature, taken[0])
                if feature == IMU:
                    self._inertial = stamp

    def _read(self, feature: str, message: Any) -> float:
        """Keep a message; return its stamp, or that of never if it is refused. [s]."""
        carrier = stream(feature)
        try:
            sample = carrier.decode(message)
            self._buffer.push(feature, sample.values, sample.stamp, sample.names, sample.frame)
        except ContractError as error:
            self._complain(ERROR, f"{carrier.topic} refused: {error}")
            return -np.inf
        return sample.stamp

    def _make(self) -> None:
        self._grace.cancel()
        try:
            observation = self._buffer.snapshot(self._node.now())
        except StaleObservation as error:
            self._complain(WARN, str(error))
            return
        self._take(observation)
