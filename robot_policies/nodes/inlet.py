"""What the policy's node hears: the streams its policy needs, joined into observations."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

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
from robot_policies.nodes.messages import Stream, stream

GRACE = 0.002  # s; how long joints wait for an inertial measurement of the same moment


class Inlet:
    """Subscriptions of one policy.

    An observation is due when joints arrive and the policy is; it is made once the inertial
    measurement of that moment is there too, or after a short wait if theirs are not the same.
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
        self._together = [name for name in (self._trigger, IMU) if name in spec]
        self._stamps: dict[str, float] = dict.fromkeys(self._together, -np.inf)
        self._waiting = False
        self._grace = node.create_timer(GRACE, self._make)
        self._grace.cancel()
        self._subscriptions = [
            node.create_subscription(
                carrier.message,
                carrier.topic,
                partial(self._on_sample, feature, carrier),
                LATCHED if feature == TASK else SENSOR,
            )
            for feature in (*spec, *((TASK,) if spec.needs_task else ()))
            for carrier in (stream(feature),)
        ]

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._grace)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _on_sample(self, feature: str, carrier: Stream, message: Any) -> None:
        try:
            sample = carrier.decode(message)
            self._buffer.push(feature, sample.values, sample.stamp, sample.names)
        except ContractError as error:
            self._complain(ERROR, f"{carrier.topic} refused: {error}")
            return
        self._stamps[feature] = sample.stamp
        if feature == self._trigger and self._due(sample.stamp):
            self._waiting = True
            self._grace.reset()
        stamps = [self._stamps[name] for name in self._together]
        if self._waiting and min(stamps) >= stamps[0]:
            self._make()

    def _make(self) -> None:
        self._grace.cancel()
        self._waiting = False
        try:
            observation = self._buffer.snapshot(self._node.now())
        except StaleObservation as error:
            self._complain(WARN, str(error))
            return
        self._take(observation)
