"""Stalls of a walking robot through the real nodes: a process is stopped and continued.

control    the robot's node is stopped, and the simulator within it
policy     the policy's node is stopped
messages   a node between the two is stopped, which passes the policy's chunks on
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import rclpy
from launched import ENDING, STARTING, Launched, launched
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from stalled_episode import ORDERLY, Outcome, Stall
from trajectory_msgs.msg import JointTrajectory

from robot_policies.data.ros_messages import MODE, MODES
from robot_policies.launching.network import membership
from robot_policies.launching.supervisor import find_launch_file
from robot_policies.nodes.qos import CHUNKS, COMMAND

DOMAIN = 97
FRESH = 0.5  # s; a robot that walks is sent commands that are not older
SENT = "action_chunk_before_relay"
STOPPED = {"control": "backend", "policy": "policy"}


def stall_a_graph(
    policy: str, task: str, engine: str, stalls: Sequence[Stall], after: float, seed: int
) -> list[Outcome]:
    """Walk with some stalls of one place, launched; return what became of the robot in each.

    A fall or a stop ends the trial, so there may be fewer outcomes than stalls. A robot walks on
    if it follows its policy again, and neither falls nor is stopped while it is watched.

    Args:
        policy: The policy.
        task: The task.
        engine: The simulator.
        stalls: The stalls; the begin of each counts from the first command that follows the
            policy after the watch before it.
        after: How long the robot is watched after each. [s]
        seed: Seed of the trial.

    Raises:
        RuntimeError: If the graph does not walk, or does not say how it went.
    """
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "summary.json"
        seconds = sum(stall.begin + stall.length + after for stall in stalls)
        names = {"policy": policy, "task": task, "backend": engine, "seed": str(seed)}
        names |= {"seconds": f"{seconds:g}", "summary": str(summary)}
        relayed = stalls[0].place == "messages"
        file = _with_relay(Path(folder)) if relayed else Path("policy.launch.xml")
        times: list[tuple[float | None, float | None]] = []
        with launched(names, DOMAIN, file) as graph, _ears() as ears:
            relay = _start_relay() if relayed else None
            try:
                for stall in stalls:
                    if ears.until_walking(STARTING if not times else FRESH, stall.begin):
                        times.append(_stall(graph, relay, ears, stall, after))
                graph.process.wait(ENDING)
            finally:
                if relay:
                    relay.kill()
                    relay.wait()
        if not summary.is_file() or not times:
            raise RuntimeError(f"{stalls}: the graph did not walk, or not say how it went")
        result = json.loads(summary.read_text(encoding="utf-8"))
    fell, latched = bool(result["metrics"]["fall"]), result["ended_by"] not in ORDERLY
    survived = [Outcome(False, False, bool(times[k][1]), *times[k]) for k in range(len(times) - 1)]
    walks = not fell and not latched and bool(times[-1][1])
    return [*survived, Outcome(fell, latched, walks, *times[-1])]


class Ears:
    """Hears which mode each command that is sent has."""

    def __init__(self, node: Node) -> None:
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self.modes: list[tuple[float, str]] = []  # (time [s], mode)
        node.create_subscription(JointState, "command_sent", self._note, COMMAND)

    def _note(self, message: JointState) -> None:
        if message.name[-1] == MODE:
            self.modes.append((time.monotonic(), str(MODES[int(message.position[-1])])))

    def first(self, mode: str, since: float, until: float) -> float | None:
        """Listen until a command of a mode is sent; return when, if it is in time. [s]."""
        while time.monotonic() < until:
            for moment, heard in self.modes:
                if heard == mode and moment >= since:
                    return moment
            self._executor.spin_once(timeout_sec=0.01)
        return None

    def until_walking(self, patience: float, duration: float) -> bool:
        """Return whether the policy is followed within some time, and still after a duration."""
        now = time.monotonic()
        begun = self.first("policy", now, now + patience)
        if begun is None:
            return False
        self.first("", 0.0, begun + duration)
        moment, mode = self.modes[-1]
        return mode == "policy" and time.monotonic() - moment < FRESH


@contextmanager
def _ears() -> Iterator[Ears]:
    context = rclpy.Context()
    with membership():
        rclpy.init(context=context, domain_id=DOMAIN)
        node = rclpy.create_node("ears", context=context)
    try:
        yield Ears(node)
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def _stall(
    graph: Launched, relay: subprocess.Popen | None, ears: Ears, stall: Stall, after: float
) -> tuple[float | None, float | None]:
    """Stop a process for a while; return when the robot held, and when it followed again. [s]."""
    stopped = psutil.Process(relay.pid) if relay else graph.node(STOPPED[stall.place])
    if stopped is None:
        raise RuntimeError(f"{stall}: the process to be stopped has ended")
    since = time.monotonic()
    stopped.send_signal(signal.SIGSTOP)
    ears.first("", 0.0, since + stall.length)
    stopped.send_signal(signal.SIGCONT)
    over = time.monotonic()
    ears.first("", 0.0, over + after)
    heard = [(at, mode) for at, mode in ears.modes if at >= since]
    held = next((at - since for at, mode in heard if mode == "hold"), None)
    followed = next((at - over for at, mode in heard if mode == "policy" and at >= over), None)
    return held, followed


def _with_relay(folder: Path) -> Path:
    """Write the shipped launch file, in which the policy's chunks have another topic."""
    source = find_launch_file("policy.launch.xml")
    tree = ET.parse(source)
    node = next(n for n in tree.iter("node") if n.get("name") == "policy")
    ET.SubElement(node, "remap", {"from": "action_chunk", "to": SENT})
    for entry in tree.iter("set_env"):
        entry.set("value", entry.get("value", "").replace("$(dirname)", str(source.parent)))
    path = folder / "relayed.launch.xml"
    tree.write(path)
    return path


def _start_relay() -> subprocess.Popen:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)}
    return subprocess.Popen([sys.executable, __file__], env=environment)


def relay() -> None:
    """Pass chunks on under the name of the policy's node, which the robot's node believes."""
    with membership():
        rclpy.init()
        watch = Node("relay")
    while "policy" not in watch.get_node_names():
        time.sleep(0.1)
    node = Node("policy", start_parameter_services=False)
    publisher = node.create_publisher(JointTrajectory, "action_chunk", CHUNKS)
    node.create_subscription(
        JointTrajectory,
        SENT,
        lambda data: publisher.publish(deserialize_message(data, JointTrajectory)),
        CHUNKS,
        raw=True,
    )
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.spin()


if __name__ == "__main__":
    relay()
