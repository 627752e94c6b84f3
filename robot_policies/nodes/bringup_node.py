"""Brings the other nodes up in order, watches them, and takes them down in reverse.

It ends with status 0 when the backend has finished its trial, and with 3 when a node refuses,
gives up or dies; the nodes that it brought up end with it.
"""

import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.utilities import get_rmw_implementation_identifier
from std_msgs.msg import String

from robot_policies.interface import ConfigError
from robot_policies.launching.claims import LINUX
from robot_policies.launching.network import reach
from robot_policies.launching.parent import end_with_parent
from robot_policies.nodes.commentary import Commentary
from robot_policies.nodes.graph_node import ERROR, diagnosis
from robot_policies.nodes.lifetime import FAULT, claim_name, leave, made
from robot_policies.nodes.managed_node import ManagedNode
from robot_policies.nodes.other_half import renew, require_agreement
from robot_policies.nodes.qos import LATCHED
from robot_policies.nodes.trial_settings import BOTH, ROBOT

APPEARANCE = 60.0  # s; longest start of a process
PATIENCE = 300.0  # s; longest transition: a checkpoint may have to be downloaded
LONG = 10.0  # s; after which it is said what is waited for
DISCOVERY = 2.0  # s; in which other hosts are heard of
SILENCE = 2.0  # s; a node silent this long is dead
LINK = 15.0  # s; one on another computer may be silent for as long; the robot holds meanwhile
WATCH_PERIOD = 0.25  # s
HEARD = 1.0  # s; longest time a listener has to receive why
REST = 6.0  # s; longest time a robot is given to lie down
UP = (Transition.TRANSITION_CONFIGURE, "configure"), (Transition.TRANSITION_ACTIVATE, "activate")
DOWN = Transition.TRANSITION_DEACTIVATE


class Fault(Exception):
    """Why the graph cannot run; one line."""


class BringupNode(Node):
    """Steps the lifecycle of the graph.

    It takes no parameters at run time: nobody can disturb it.
    """

    def __init__(self) -> None:
        """Declare the settings."""
        super().__init__("bringup", start_parameter_services=False)
        text = ParameterDescriptor(description="lifecycle nodes, in the order of bring-up")
        names: Any = self.declare_parameter("nodes", ["backend", "policy"], text).value
        self._nodes = [ManagedNode(self, name) for name in names]
        text = ParameterDescriptor(description="instruction to the policy", dynamic_typing=True)
        self._instruction = str(self.declare_parameter("task_text", "", text).value)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        text = ParameterDescriptor(description="both, or robot: the half on this computer")
        only = self.declare_parameter("only", BOTH, text).value
        self._far = self._nodes[1:] if only == ROBOT else []  # on another computer
        Commentary(self, *names[:2])
        self._began = time.monotonic()

    def destroy_node(self) -> None:
        """Leave the graph; the nodes then end."""
        super().destroy_node()
        for node in self._nodes:
            node.let_go()

    def bring_up(self) -> None:
        """Configure all nodes, then activate all: nothing moves before everything is ready.

        Raises:
            Fault: If a node does not appear or refuses, or another graph has its names.
        """
        who = reach(os.environ, get_rmw_implementation_identifier())
        if not who.local:
            self.get_logger().warning(f"this graph can be called by {who.text}")
            self._look_for_others()
        elif self._far:
            self.get_logger().warning("network:=none: no other computer hears of this graph")
        for node in self._far:
            self._find(node)
        for number, verb in UP:
            for node in self._nodes:
                with self._waiting(f"node '{node.name}' to appear"):
                    appeared = node.appears(APPEARANCE)
                if not appeared:
                    raise _fault(node, f"has not appeared for {APPEARANCE:g} s")
                self._keep()
                with self._waiting(f"node '{node.name}' to {verb}"):
                    changed = node.change(number, PATIENCE, self._nodes)
                if not changed:
                    dead = next((other for other in self._nodes if other.death), node)
                    raise _fault(dead, f"could not {verb}; its own message says why")
        self._tell_instruction()
        self.get_logger().info("ready")

    def keep_late(self) -> None:
        """Wait for nodes of this host that have not begun yet, so that they end, too."""
        while not self._keep() and time.monotonic() < self._began + APPEARANCE:
            self._listen(WATCH_PERIOD)

    def _keep(self) -> bool:
        near = [node for node in self._nodes if node not in self._far]
        return not LINUX or all([node.keep() for node in near])

    def _find(self, node: ManagedNode) -> None:
        """Wait for a node on another computer, however long that takes; it must fit this half."""
        with self._waiting(f"node '{node.name}' on another computer"):
            node.appears(math.inf)
        try:
            require_agreement(self, self._nodes[0].name, node.name)
        except ConfigError as error:
            raise Fault(str(error)) from None
        if not renew(node, PATIENCE):
            raise _fault(node, "does not leave an earlier trial")

    def _tell_instruction(self) -> None:
        if self._instruction not in ("", "none"):
            # Kept for the policy's node by this publisher, which lives as long as the graph.
            self.create_publisher(String, "task", LATCHED).publish(String(data=self._instruction))

    def watch(self) -> None:
        """Return when the first node has finished.

        Raises:
            Fault: If a node dies or gives up.
        """
        heard = dict.fromkeys(self._nodes, time.monotonic())
        while True:
            self._keep()  # a node offers its services before it has claimed its name
            for node in self._nodes:
                state = node.state(WATCH_PERIOD)
                if state is not None:
                    heard[node] = time.monotonic()
                if state not in (None, State.PRIMARY_STATE_ACTIVE) and self._has_twin(node):
                    continue  # the other may have answered
                if node is self._nodes[0] and state == State.PRIMARY_STATE_INACTIVE:
                    return
                if state not in (None, State.PRIMARY_STATE_ACTIVE):
                    raise _fault(node, "gave up; its own message says why")
                longest = LINK if node in self._far else SILENCE
                if time.monotonic() - heard[node] > longest:
                    raise _fault(node, f"died: silent for {longest:g} s")
            self._listen(WATCH_PERIOD)

    def take_down(self) -> None:
        """Deactivate in reverse order whoever is active and still answers.

        A robot that has to come to rest first deactivates itself afterwards.
        """
        for node in reversed(self._nodes):
            active = node.state(1.0) == State.PRIMARY_STATE_ACTIVE
            if active and not node.change(DOWN, PATIENCE):
                end = time.monotonic() + REST
                while time.monotonic() < end:
                    if node.state(WATCH_PERIOD) != State.PRIMARY_STATE_ACTIVE:
                        break
                    self._listen(WATCH_PERIOD)

    @contextmanager
    def _waiting(self, what: str) -> Iterator[None]:
        """Say once what is waited for, if that takes long."""
        said = Timer(LONG, self.get_logger().info, (f"waiting for {what}",))
        said.start()
        try:
            yield
        finally:
            said.cancel()

    def _look_for_others(self) -> None:
        """Refuse names that a graph on another host has: its claims are not seen here.

        Raises:
            Fault: If there is one.
        """
        self._listen(DISCOVERY)
        for node in self._nodes:
            if self._has_twin(node):
                space = self.get_namespace()
                raise Fault(
                    f"a graph already runs in namespace {space}: another host has a node "
                    f"'{node.name}'. End it, or give this one another namespace:="
                )

    def _listen(self, seconds: float) -> None:
        """Hear what the nodes say for some seconds, however much it is."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0.0:
            rclpy.spin_once(self, timeout_sec=left)

    def _has_twin(self, node: ManagedNode) -> bool:
        own = (node.name, self.get_namespace())
        return self.get_node_names_and_namespaces().count(own) > 1

    def report(self, fault: str) -> None:
        """Say why, on the log and on `/diagnostics`, to all that listen before this node ends."""
        self.get_logger().error(fault)
        self._diagnostics.publish(diagnosis(self, ERROR, fault, {}))
        self._diagnostics.wait_for_all_acked(Duration(seconds=HEARD))


def _fault(node: ManagedNode, seen: str) -> Fault:
    """Return what is wrong with a node: how its process ended, or else what is seen of it."""
    death = f"died ({node.death}); its own output says why" if node.death else seen
    return Fault(f"node '{node.name}' {death}")


def main() -> None:
    """Run the graph from bring-up to take-down."""
    end_with_parent()
    rclpy.init()
    node = made(BringupNode)
    if node is None:
        return
    claimed = claim_name(node)
    status = 0
    try:
        try:
            node.bring_up()
            node.watch()
        except Fault as fault:
            status = FAULT
            node.report(str(fault))
        node.take_down()
        node.keep_late()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # whoever interrupts this node interrupts the others too
    finally:
        leave(node)
        claimed.close()
    sys.exit(status)


if __name__ == "__main__":
    main()
