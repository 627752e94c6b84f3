"""What a person reads while a graph runs: each change of the safety level, and what is awaited."""

import time
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from robot_policies.nodes.graph_node import ERROR, OK

REPEAT = 1.0  # s; a level that comes and goes is told of once in this time
RELEASE = "the robot stays stopped until it is released: robot-policies reset"
# What is waited for, as nodes say it on /diagnostics, and how a person gives it.
AWAITED: Mapping[str, str] = {
    "no instruction yet": 'the policy waits for an instruction: robot-policies say "..."',
    "no velocity command yet": "the policy waits for a velocity: robot-policies drive, or cmd_vel",
    "no joint states yet": "the policy waits for joint states: does the robot's driver run?",
    "mode passive": "the robot waits: robot-policies drive (1 stands up, 2 starts the policy)",
    "mode stand": "the robot waits: robot-policies drive (2 starts the policy)",
    "mode estop": RELEASE,
    "level estop": RELEASE,
}


class Commentary:
    """Listens to `/diagnostics` and logs what is new."""

    def __init__(self, node: Node, backend: str, policy: str) -> None:
        """Listen.

        Args:
            node: Whose log is written to.
            backend: Name of the robot's node, in the same namespace.
            policy: Name of the policy's node.
        """
        self._log = node.get_logger()
        space = node.get_namespace().strip("/")
        self._backend, self._policy = (f"{space}/{n}".lstrip("/") for n in (backend, policy))
        self._level, self._said = "", {}
        self._awaited: set[str] = set()
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name == self._backend and "level" in values:
                self._changed(status, values["level"])
                self._await(f"level {values['level']}")
                self._await(f"mode {values.get('mode', '')}")
            elif status.name == self._policy and status.level != OK:
                self._await(status.message)

    def _changed(self, status: DiagnosticStatus, level: str) -> None:
        now, before = time.monotonic(), self._level
        self._level = level
        if level == before or now - self._said.get(level, -REPEAT) < REPEAT:
            return
        self._said[level] = now
        # rclpy takes one severity for each place in the code.
        if status.level == OK:
            self._log.info(f"safety: {status.message}")
        elif status.level == ERROR:
            self._log.error(f"safety: {status.message}")
        else:
            self._log.warning(f"safety: {status.message}")

    def _await(self, what: str) -> None:
        line = AWAITED.get(what, "")
        if line and line not in self._awaited:
            self._awaited.add(line)
            self._log.info(line)
