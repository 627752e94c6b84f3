"""What the policy's node hears: the streams its policy needs, joined into observations."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile, ReliabilityPolicy

from robot_policies.control.observation_buffer import GOALS, ObservationBuffer
from robot_policies.interface import (
    ContractError,
    Observation,
    ObservationSpec,
    RobotBackend,
    StaleObservation,
    Task,
    goals_of,
    offered,
)
from robot_policies.interface.observation import COMMAND as COMMAND_IN_FORCE
from robot_policies.interface.observation import EFFORT, IMU, POINTS, STATE, TASK, is_picture
from robot_policies.nodes.decoding import Sample
from robot_policies.nodes.goals import GoalSubscription
from robot_policies.nodes.graph_node import COMMAND, ERROR, RECENT, SENSOR, WARN, GraphNode
from robot_policies.nodes.message_fields import to_time
from robot_policies.nodes.polled import Polled, next_message
from robot_policies.nodes.senders import OneSource, Senders, sender_of
from robot_policies.nodes.streams import PICTURES_WANTED, stream
from robot_policies.nodes.topics import topic_of

# Between two looks others may publish; one of them must not displace what the robot said.
SEVERAL = QoSProfile(depth=8, reliability=ReliabilityPolicy.BEST_EFFORT)
LOOK = 0.002  # s; how often it is looked for what belongs to the joints of this moment
PATIENCE = 0.01  # s; how long it is looked for
UNHEARD = 3  # measurements; a command is sent after each


class PolicySubscriptions:
    """Subscriptions of one policy.

    An observation is due when joints arrive and the policy is; then the newest of all other
    streams is read. What was measured at that moment and is not there yet, the inertial unit and
    pictures, has a short while to come. The command in force is the newest that was sent before
    the joints were measured.
    """

    def __init__(
        self,
        node: GraphNode,
        spec: ObservationSpec,
        backend: RobotBackend,
        task: Task | None,
        robot: str,
        due: Callable[[float], bool],
        take: Callable[[Observation], None],
        complain: Callable[[bytes, str], None],
    ) -> None:
        """Subscribe.

        Args:
            node: The node.
            spec: What the policy needs.
            backend: The robot, as the policy's process has it: not connected.
            task: What it is asked to do; bounds the goals.
            robot: Full name of the robot's node, which says the task's goals.
            due: Says whether an observation of a moment [s] is wanted.
            take: Takes an observation.
            complain: Takes the diagnostic level and the reason why there is none.
        """
        self._node, self._due, self._take, self._complain = node, due, take, complain
        provides = {**offered(backend), **goals_of(task)}
        self._buffer = ObservationBuffer(spec, provides, robot=backend.spec)
        sensors = [name for name in spec if name not in GOALS]
        self._trigger = STATE if STATE in spec else sensors[0]
        self._goals = [
            GoalSubscription(
                node,
                name,
                topic_of(node, backend, name),
                robot,
                partial(self._put_goal, name),
                partial(complain, ERROR),
            )
            for name in (*spec, *((TASK,) if spec.needs_task else ()))
            if name in GOALS
        ]
        self._stamp = -np.inf  # of the joints that are answered
        self._since = -np.inf  # when they came
        self._awaited = {name for name in spec if name in (EFFORT, IMU) or is_picture(name)}
        self._missing: set[str] = set()
        self._commands: list[Any] = []  # sent, not yet measured after
        self._in_force: Sample | None = None  # sent before the joints were measured
        self._unheard = 0  # measurements since a command was heard
        self._look = node.create_timer(LOOK, self._look_again, clock=node.time.timer_clock)
        self._look.cancel()
        self._wanted = (
            node.create_publisher(Time, PICTURES_WANTED, COMMAND)
            if any(is_picture(name) for name in spec)
            else None
        )
        polled = Polled()
        self._subscriptions = {
            feature: node.create_subscription(
                stream(feature).message,
                topic_of(node, backend, feature),
                self._on_trigger,
                self._depth(feature),
                callback_group=None if feature == self._trigger else polled,
            )
            for feature in sensors
        }
        self._sources = {
            feature: OneSource(Senders(node, subscription.topic_name), robot)
            for feature, subscription in self._subscriptions.items()
        }

    def _depth(self, feature: str) -> QoSProfile:
        """Return how many messages wait; of joints and of pictures only the newest."""
        if feature == COMMAND_IN_FORCE:
            return RECENT
        newest = feature == self._trigger or is_picture(feature) or feature == POINTS
        return SENSOR if newest else SEVERAL

    @property
    def figures(self) -> dict[str, int]:
        """How much was heard and left out, since the start."""
        buffer = self._buffer
        return {"states_implausible": buffer.implausible, "points_dropped": buffer.dropped}

    def want_pictures(self, moment: float) -> None:
        """Ask the robot's node for pictures from some time on. [s]."""
        if self._wanted:
            self._wanted.publish(to_time(max(self._node.time.to_ros(moment), 0.0)))

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_timer(self._look)
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        for goal in self._goals:
            goal.close()
        self._subscriptions, self._goals = {}, []
        if self._wanted:
            self._node.destroy_publisher(self._wanted)

    def _on_trigger(self, message: Any, info: Any) -> None:
        for source in self._sources.values():
            source.look_anew()
        if not self._believes(self._trigger, info):
            return
        stamp = self._read(self._trigger, message)
        if not self._due(stamp):
            return
        self._stamp, self._since = stamp, self._node.now()
        self._unheard += 1
        self._missing = set(self._awaited)
        self._look_again()

    def _look_again(self) -> None:
        self._poll()
        late = self._node.now() - self._since >= PATIENCE
        if self._missing and not late:
            self._look.reset()
            return
        self._look.cancel()
        self._make()

    def _poll(self) -> None:
        for feature, subscription in self._subscriptions.items():
            if feature == self._trigger:
                continue
            while received := next_message(subscription):
                taken, info = received
                if not self._believes(feature, info):
                    continue
                if feature == COMMAND_IN_FORCE:
                    self._commands.append(taken)
                    continue
                stamp = self._read(feature, taken)
                if stamp >= self._stamp or (is_picture(feature) and np.isfinite(stamp)):
                    self._missing.discard(feature)
        if COMMAND_IN_FORCE in self._subscriptions:
            self._read_command()
        for goal in self._goals:
            goal.poll()

    def _read_command(self) -> None:
        """Keep the newest command that was sent before the joints were measured.

        It was in force then, however long ago it was sent: the robot's node may have stood still.
        Where nothing is heard of commands while joints go on coming, it ages.
        """
        carrier = stream(COMMAND_IN_FORCE)
        self._commands, waiting = [], self._commands
        self._unheard = 0 if waiting else self._unheard
        for message in waiting:
            try:
                sample = carrier.decode(message)
            except ContractError as error:
                self._complain(ERROR, f"{carrier.topic} refused: {error}")
                continue
            if self._node.time.from_ros(sample.stamp) <= self._stamp:
                self._in_force = sample
            else:
                self._commands.append(message)
        if self._in_force and self._unheard <= UNHEARD:
            sample = self._in_force
            self._push(COMMAND_IN_FORCE, sample.values, self._stamp, sample.names)

    def _believes(self, feature: str, info: Any) -> bool:
        """Return whether a message is from who is believed, and name any other sender."""
        source, sender = self._sources[feature], sender_of(info)
        if source.believes(sender):
            return True
        if name := source.name_of(sender):
            topic = stream(feature).topic
            self._complain(ERROR, f"{topic} has another publisher already, '{name}' is refused")
        return False

    def _read(self, feature: str, message: Any) -> float:
        """Keep a message; return its stamp, or that of never if it is refused. [s]."""
        carrier = stream(feature)
        try:
            sample = carrier.decode(message)
        except ContractError as error:
            self._complain(ERROR, f"{carrier.topic} refused: {error}")
            return -np.inf
        stamp = self._node.time.from_ros(sample.stamp)
        return self._push(feature, sample.values, stamp, sample.names, sample.frame)

    def _put_goal(self, feature: str, sample: Sample, stamp: float) -> None:
        self._buffer.push(feature, sample.values, stamp, sample.names)

    def _push(self, feature: str, values: Any, stamp: float, *about: Any) -> float:
        """Keep a sample; return its stamp, or that of never if it is refused. [s]."""
        try:
            self._buffer.push(feature, values, stamp, *about)
        except ContractError as error:
            self._complain(ERROR, f"{stream(feature).topic} refused: {error}")
            return -np.inf
        return stamp

    def _make(self) -> None:
        try:
            observation = self._buffer.snapshot(self._node.now())
        except StaleObservation as error:
            self.want_pictures(self._node.now())
            self._complain(WARN, str(error))
            return
        self._take(observation)
