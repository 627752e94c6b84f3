"""Nodes end with the process that started them, whichever launcher that is."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ros_graph import free_domain

# Starts the processes of the launch file as `ros2 launch` does: nothing is arranged for its death.
LAUNCHER = """
import subprocess, sys, time
from robot_policies.launching.description import Process, describe
from robot_policies.launching.supervisor import find_launch_file
arguments = dict(word.split(":=") for word in sys.argv[1:])
for step in describe(find_launch_file("policy.launch.xml"), arguments).steps:
    if isinstance(step.action, Process):
        child = subprocess.Popen(step.action.command, env=step.action.environment)
        print(child.pid, flush=True)
time.sleep(600.0)
"""


def lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def wait(condition, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def test_a_killed_launcher_leaves_no_robot_that_moves(tmp_path):
    summary = tmp_path / "summary.json"
    words = ("policy:=hold", "robot:=so101", "backend:=loopback", "task:=none")
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(free_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    with (tmp_path / "said").open("w+") as said:
        launcher = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *words, f"summary:={summary}"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        assert launcher.stdout
        nodes = [int(launcher.stdout.readline()) for _ in range(3)]
        heard = lambda: "following the policy" in (tmp_path / "said").read_text()  # noqa: E731
        assert wait(heard), (tmp_path / "said").read_text()
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
        launcher.stdout.close()
        assert wait(lambda: not any(map(lives, nodes))), "a node lives on"
    assert json.loads(summary.read_text())["ended_by"] == "interrupted"
