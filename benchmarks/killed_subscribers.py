"""How long a publisher waits when processes that listen to it are killed.

    python benchmarks/killed_subscribers.py [--kills 200] [--transport graph] [--transport shared]

`graph` is the environment of the shipped launch file. `shared` is Fast DDS's own choice on one
host, which has shared memory. A publisher sends joint states and pictures; listeners in processes
of their own are killed with SIGKILL, each at a random moment after its first message.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rclpy
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sensor_msgs.msg import Image, JointState

from robot_policies.evaluation.statistics import rate
from robot_policies.launching.network import RANGE, graph_environment
from robot_policies.launching.parent import end_with_parent

DOMAIN = 97
TOPICS = {"joint_states": 0, "image": 480 * 640 * 3}  # bytes of data
RATE = 200.0  # Hz; of the joint states
PICTURES = 40  # joint states to a picture: 5 a second reach four listeners on a busy machine, too
LISTENERS = 4  # at a time
LATEST = 0.5  # s; a listener is killed within so long after its first message
LONG = 0.1  # s; a publisher that waits for longer misses five control steps of 50 Hz


def publish() -> None:
    """Send until the standard input ends, then print how long each call took. [s]."""
    rclpy.init()
    node = rclpy.create_node("killed_subscribers")
    states = node.create_publisher(JointState, "joint_states", 1)
    pictures = node.create_publisher(Image, "image", 1)
    state = JointState(name=[f"joint_{i}" for i in range(12)], position=[0.0] * 12)
    picture = Image(height=480, width=640, step=640 * 3, encoding="rgb8")
    picture.data = bytes(TOPICS["image"])
    print("ready", flush=True)
    os.set_blocking(0, False)
    took: list[float] = []
    due = time.monotonic()
    while sys.stdin.buffer.raw.read(1) is None:  # type: ignore[attr-defined]
        due = max(due + 1.0 / RATE, time.monotonic())
        time.sleep(max(due - time.monotonic(), 0.0))
        begin = time.monotonic()
        states.publish(state)
        if len(took) % PICTURES == 0:
            pictures.publish(picture)
        took.append(time.monotonic() - begin)
    print(json.dumps(took), flush=True)
    rclpy.shutdown()


def listen() -> None:
    """Take messages for ever; say when both topics have been heard."""
    rclpy.init()
    node, heard = rclpy.create_node(f"listener_{os.getpid()}"), set()

    def take(message: Any) -> None:
        if len(heard) < 2:
            heard.add(type(message).__name__)
            if len(heard) == 2:
                print("ready", flush=True)

    node.create_subscription(JointState, "joint_states", take, 1)
    node.create_subscription(Image, "image", take, 1)
    rclpy.spin(node)


def kill(transport: str, kills: int, seed: int) -> list[float]:
    """Kill listeners one after the other; return how long each call to publish took. [s].

    Args:
        transport: `graph` or `shared`.
        kills: How many.
        seed: Of the moments.
    """
    environment = graph_environment() if transport == "graph" else {**os.environ}
    environment = {**environment, "ROS_DOMAIN_ID": str(DOMAIN)}
    if transport == "shared":
        environment[RANGE] = "LOCALHOST"
    random = np.random.default_rng(seed)
    publisher = _start("publish", environment)
    assert publisher.stdout
    assert publisher.stdin
    publisher.stdout.readline()
    waiting = [_start("listen", environment) for _ in range(min(LISTENERS, kills))]
    for k in track(range(kills), description=transport):
        listener = waiting.pop(0)
        assert listener.stdout
        listener.stdout.readline()
        time.sleep(LATEST * random.random())
        listener.send_signal(signal.SIGKILL)
        listener.wait()
        if k + LISTENERS < kills:
            waiting.append(_start("listen", environment))
    time.sleep(3.0)  # the last one is waited for
    publisher.stdin.close()
    took = json.loads(publisher.stdout.readline())
    publisher.wait()
    return took


def _start(role: str, environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), role],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def main(
    transports: Annotated[list[str], typer.Option("--transport")] = ["graph", "shared"],  # noqa: B006
    kills: Annotated[int, typer.Option("--kills", min=1)] = 200,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Kill, and print a table."""
    table = Table(title=f"{kills} kills each; a wait is a call of more than {LONG:g} s")
    for column in ("transport", "calls", "median ms", "longest ms", "waits", "a kill, 95 %"):
        table.add_column(column)
    for transport in transports:
        took = np.array(kill(transport, kills, seed))
        waits = int((took > LONG).sum())
        low, high = rate(min(waits, kills), kills).to_json()["ci95"]
        middle, longest = 1e3 * np.median(took), 1e3 * took.max()
        cells = (f"{len(took)}", f"{middle:.2f}", f"{longest:.0f}", f"{waits}")
        table.add_row(transport, *cells, f"{low:.3f} {high:.3f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    if sys.argv[1:] in (["publish"], ["listen"]):
        end_with_parent()
        {"publish": publish, "listen": listen}[sys.argv[1]]()
    else:
        typer.run(main)
