"""How long it takes through the real nodes: from a capture to the command that answers it.

Everything runs in processes of its own, with the environment the launch file gives its nodes.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.interface import BackendError
from robot_policies.launching.network import graph_environment

PATIENCE = 60.0  # s; beyond the measured time, for start and end


def measure_latency(
    policy: str = "uni_o4/go1_walk",
    robot: str = "go1",
    backend: str = "mujoco",
    task: str = "go1_walk",
    *,
    seconds: float = 20.0,
    images: int = 300,
    domain: int = 99,
) -> list[dict[str, Any]]:
    """Measure the two figures of the node graph.

    Args:
        policy: Policy to run.
        robot: Its robot.
        backend: What moves.
        task: Its task; empty for none.
        seconds: Duration of the run.
        images: How many 640x480 images are sent best-effort between two processes.
        domain: ROS domain, so that no other graph is disturbed.

    Returns:
        Two rows with `what`, `p50_ms`, `p99_ms`, `max_ms`, `count`, `lost`, `rate_hz`.

    Raises:
        BackendError: If the graph did not run to its end.
    """
    names = {"policy": policy, "robot": robot, "backend": backend, "task": task}
    return [
        measure_commands(names, seconds=seconds, domain=domain),
        measure_images(images, domain=domain),
    ]


def measure_commands(
    names: dict[str, str], *, seconds: float, domain: int = 99, prefix: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure from observation stamp to applied command, for every step of a launched graph.

    Args:
        names: Arguments of the launch file.
        seconds: Duration.
        domain: ROS domain.
        prefix: Command that runs the launcher, such as `chrt -f 10`.

    Raises:
        BackendError: If the graph did not run to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "summary.json"
        arguments = {**names, "seconds": f"{seconds:g}", "summary": str(path)}
        words = [f"{name}:={value}" for name, value in arguments.items()]
        command = (*prefix, sys.executable, "-m", "robot_policies.launching", "policy.launch.xml")
        done = _run([*command, *words], seconds, dict(os.environ), domain)
        if done.returncode or not path.is_file():
            raise BackendError(f"the graph broke off: {' '.join(done.stderr.split())}")
        summary = json.loads(path.read_text(encoding="utf-8"))
    steps, figures, latency = summary["steps"], summary["figures"], summary["latency"]
    return {
        "what": "observation stamp to applied command",
        **{f"{name}_ms": round(1e3 * value, 3) for name, value in latency.items()},
        "count": steps,
        "lost": sum(summary["refusals"].values()),
        "rate_hz": figures["loop_rate_mean_hz"],
    }


def measure_images(count: int, *, domain: int = 99, profile: bool = True) -> dict[str, Any]:
    """Measure best-effort 640x480 images from one process to another.

    Args:
        count: How many are sent, at 30 Hz.
        domain: ROS domain.
        profile: Whether to use the launch file's transport settings, or DDS's own.

    Raises:
        BackendError: If the processes did not run to their end.
    """
    environment = graph_environment() if profile else dict(os.environ)
    command = [sys.executable, "-m", "robot_policies.nodes.image_probe", str(count)]
    done = _run(command, count / 30.0, environment, domain)
    if done.returncode:
        raise BackendError(f"images could not be sent: {' '.join(done.stderr.split())}")
    delays = 1e3 * np.array(json.loads(done.stdout.splitlines()[-1]))
    values = np.percentile(delays, (50, 99, 100)).round(3).tolist() if len(delays) else [None] * 3
    return {
        "what": "640x480 image from process to process",
        **dict(zip(("p50_ms", "p99_ms", "max_ms"), values, strict=True)),
        "count": count,
        "lost": count - len(delays),
        "rate_hz": 30.0,
    }


def _run(
    command: list[str], seconds: float, environment: dict[str, str], domain: int
) -> subprocess.CompletedProcess[str]:
    environment["ROS_DOMAIN_ID"] = str(domain)
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds + PATIENCE,
        check=False,
    )
