"""Real processes over DDS for tests: a launched graph, and a node that listens to it."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy  # noqa: TID251
from rclpy.executors import SingleThreadedExecutor  # noqa: TID251
from sensor_msgs.msg import JointState

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # a parser of ROS's imports sre_parse
    import lark  # noqa: F401

from robot_policies.data.ros_messages import MODE, MODES

_locks: dict[int, Any] = {}


def mode_of(command: JointState) -> str:
    """Return how a command that was sent is tracked: `policy`, `hold` or `damp`."""
    assert command.name[-1] == MODE
    return str(MODES[int(command.position[-1])])


def free_domain() -> int:
    """Return a ROS domain (1 to 90) that no other test on this machine uses at the same time.

    Two graphs in one domain would configure each other's nodes. The lock lasts until the graph
    has ended, or as long as the test process.
    """
    domains = list(range(1, 91))
    random.shuffle(domains)
    for domain in domains:
        lock = (Path(tempfile.gettempdir()) / f"robot_policies_domain_{domain}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _locks[domain] = lock
        return domain
    raise RuntimeError("all ROS domains are taken")


class Graph:
    """A launch file run by the supervisor, and a node of the test in the same domain."""

    def __init__(self, *arguments: str, file: str = "policy.launch.xml", domain: int = 0) -> None:
        self.domain, self._own = domain or free_domain(), not domain
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(self.domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.domain)
        self.node = rclpy.create_node(f"spy_{id(self)}", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "robot_policies.launching", file, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def listen(self, message: type, topic: str, qos: object = 10) -> list:
        """Return a list that fills with (time, message)."""
        heard: list = []
        self.node.create_subscription(
            message, topic, lambda m: heard.append((time.time(), m)), qos
        )
        return heard

    def wait(self, condition: Callable[[], object], seconds: float = 30.0) -> bool:
        """Spin until something holds; return whether it did in time."""
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)
        return bool(condition())

    def call(self, service: type, name: str, request: object = None) -> object:
        """Call a service, by default without arguments."""
        client = self.node.create_client(service, name)
        assert client.wait_for_service(timeout_sec=10.0), name
        future = client.call_async(request or service.Request())
        assert self.wait(future.done, 10.0), name
        return future.result()

    def children(self) -> dict[str, int]:
        """Return the processes of the graph: node program to process id."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_text().split("\0")
                status = (entry / "stat").read_text()
            except (OSError, UnicodeDecodeError):
                continue
            parent = int(status.rpartition(")")[2].split()[1])
            if parent == self.process.pid:
                found[next((w for w in words if w.endswith("_node")), entry.name)] = int(
                    entry.name
                )
        return found

    def shared_memory(self) -> list[str]:
        """Return the lines of the processes' memory maps that are shared memory of Fast DDS."""
        maps = [Path(f"/proc/{pid}/maps").read_text() for pid in self.children().values()]
        assert len(maps) >= 3
        return [line for text in maps for line in text.splitlines() if "/fastdds" in line]

    def __enter__(self) -> "Graph":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.returncode is None:
            self.end()

    def end(self, number: signal.Signals | None = signal.SIGINT) -> tuple[int, str]:
        """Interrupt the launcher, or wait for it; return its exit status and stderr."""
        self._executor.shutdown()
        rclpy.try_shutdown(context=self.context)
        if number and self.process.poll() is None:
            self.process.send_signal(number)
        try:
            _, errors = self.process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)
            _, errors = self.process.communicate(timeout=30)
        if self._own and (lock := _locks.pop(self.domain, None)):
            lock.close()
        return self.process.returncode, errors
