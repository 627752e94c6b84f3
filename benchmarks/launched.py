"""A launch file in processes of its own, for benchmarks."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

STARTING = 180.0  # s; a graph on a busy machine is ready by then
ENDING = 120.0  # s; a recording is converted by then


@dataclass(frozen=True)
class Launched:
    """A launcher that runs.

    Attributes:
        process: The launcher.
        domain: ROS domain of the graph.
    """

    process: subprocess.Popen
    domain: int

    def node(self, name: str) -> psutil.Process | None:
        """Return the process of the node module `<name>_node`; `None` if there is none."""
        try:
            for child in psutil.Process(self.process.pid).children():
                if f"nodes {name}_node" in " ".join(child.cmdline()):
                    return child
        except psutil.Error:  # it has just ended
            pass
        return None


@contextmanager
def launched(
    arguments: Mapping[str, str], domain: int, file: str | Path = "policy.launch.xml"
) -> Iterator[Launched]:
    """Run a launch file with the shipped launcher; interrupt it at the end of the block.

    Args:
        arguments: Values of the file's arguments.
        domain: ROS domain.
        file: Launch file.
    """
    words = [f"{name}:={value}" for name, value in arguments.items()]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    process = subprocess.Popen(
        [sys.executable, "-m", "robot_policies.launching", str(file), *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Launched(process, domain)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.communicate(timeout=ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
