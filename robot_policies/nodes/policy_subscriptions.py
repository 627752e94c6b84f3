"""What the policy's node hears: the streams its policy needs, joined into observations."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from builtin_interfaces.msg import Time

from robot_policies.control.observation_buffer import GOALS, ObservationBuffer
from robot_policies.data.ros_messages import Sample
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
from robot_policies.interface.observation import COMMAND as IN_FORCE
from robot_policies.interface.observation import EFFORT, IMU, STATE, TASK, is_picture
from robot_policies.nodes.believed_stream import BelievedStream
from robot_policies.nodes.command_in_force import CommandInForce
from robot_policies.nodes.compressed import compressed, is_compressible
from robot_policies.nodes.goals import GoalSubscription
from robot_policies.nodes.graph_node import ERROR, WARN, GraphNode
from robot_policies.nodes.message_fields import to_time
from robot_policies.nodes.qos import COMMAND
from robot_policies.nodes.streams import PICTURES_WANTED, Stream, stream
from robot_policies.nodes.topics import topic_of

LOOK = 0.002  # s; how often it is looked for what belongs to the joints of this moment
PATIENCE = 0.01  # s; how long it is looked for


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
        *,
        far: bool = False,
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
            far: Whether the robot is another computer's; colour pictures then come compressed.
        """
        self._node, self._due, self._take, self._complain = node, due, take, complain
        provides = {**offered(backend), **goals_of(task)}
        self._buffer = ObservationBuffer(spec, provides, robot=backend.spec)
        refuse = partial(complain, ERROR)
        self._goals = [
            GoalSubscription(
                node,
                name,
                topic_of(node, backend, name),
                robot,
                partial(self._put_goal, name),
                refuse,
            )
            for name in (*spec, *((TASK,) if spec.needs_task else ()))
            if name in GOALS
        ]
        sensors = [name for name in spec if name not in GOALS]
        self._trigger = STATE if STATE in spec else sensors[0]

        self._streams = {
            name: BelievedStream(
                node,
                name,
                _carrier(node, backend, name, far),
                robot,
                refuse,
                self._on_trigger if name == self._trigger else None,
            )
            for name in sensors
        }
        commands = None if self._trigger == IN_FORCE else self._streams.get(IN_FORCE)
        self._command = CommandInForce(commands, node.time) if commands else None
        self._stamp = -np.inf  # of the joints that are answered
        self._since = -np.inf  # when they came
        self._awaited = {name for name in spec if name in (EFFORT, IMU) or is_picture(name)}
        self._missing: set[str] = set()
        self._look = node.create_timer(LOOK, self._look_again, clock=node.time.timer_clock)
        self._look.cancel()
        self._wanted = (
            node.create_publisher(Time, PICTURES_WANTED, COMMAND)
            if any(is_picture(name) for name in spec)
            else None
        )

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
        for heard in (*self._streams.values(), *self._goals):
            heard.close()
        self._streams, self._goals = {}, []
        if self._wanted:
            self._node.destroy_publisher(self._wanted)

    def _on_trigger(self, sample: Sample) -> None:
        for heard in self._streams.values():
            heard.look_anew()
        stamp = self._keep(self._trigger, sample)
        if not self._due(stamp):
            return
        self._stamp, self._since = stamp, self._node.now()
        if self._command:
            self._command.measured()
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
        for name, heard in self._streams.items():
            if name in (self._trigger, IN_FORCE):
                continue
            for sample in heard.waiting():
                stamp = self._keep(name, sample)
                if stamp >= self._stamp or (is_picture(name) and np.isfinite(stamp)):
                    self._missing.discard(name)
        if self._command and (command := self._command.at(self._stamp)):
            self._push(IN_FORCE, command, self._stamp)
        for goal in self._goals:
            goal.poll()

    def _put_goal(self, name: str, sample: Sample, stamp: float) -> None:
        self._buffer.push(name, sample.values, stamp, sample.names)

    def _keep(self, name: str, sample: Sample) -> float:
        """Keep a sample; return its stamp, or that of never if it is refused. [s]."""
        return self._push(name, sample, self._node.time.from_ros(sample.stamp))

    def _push(self, name: str, sample: Sample, stamp: float) -> float:
        try:
            self._buffer.push(name, sample.values, stamp, sample.names, sample.frame)
        except ContractError as error:
            self._streams[name].refuse(error)
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


def _carrier(node: GraphNode, backend: RobotBackend, name: str, far: bool) -> Stream:
    """Return how a stream travels to this computer."""
    raw = replace(stream(name), topic=topic_of(node, backend, name))
    return compressed(raw) if far and is_compressible(name) else raw
