"""Nodes started by hand, as programs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rclpy
from ros_graph import free_domain

from robot_policies.nodes.__main__ import NODES

ALONE = "--ros-args", "-r"
LIBEXEC = Path(__file__).parents[2] / "libexec"


def start(*words: str, domain: int) -> subprocess.Popen:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    words = (sys.executable, "-m", *words)
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("form", ["robot_policies.nodes {}", "robot_policies.nodes.{}"])
def test_each_node_runs_as_a_program_and_as_a_module(form):
    domain = free_domain()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    watcher = rclpy.create_node("watcher", context=context)
    # Each alone in a namespace: bringup would configure the others.
    programs = {
        name: start(*form.format(name).split(), *ALONE, f"__ns:=/of_{name}", domain=domain)
        for name in NODES
    }
    try:
        missing, end = set(NODES), time.monotonic() + 60.0
        while missing and time.monotonic() < end:
            time.sleep(0.05)
            missing -= {f"{name}_node" for name in watcher.get_node_names()}
        assert not missing
    finally:
        watcher.destroy_node()
        rclpy.shutdown(context=context)
        for program in programs.values():
            program.send_signal(signal.SIGINT)
    ended = {name: program.communicate(timeout=60.0)[1] for name, program in programs.items()}
    assert not [text for text in ended.values() if "Traceback" in text], ended
    assert [program.returncode for program in programs.values()] == [0] * len(NODES), ended


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["backend_nod"], "no node 'backend_nod'. Did you mean 'backend_node'? Available: ["),
        (["graph_node"], "no node 'graph_node'."),
        ([], "no node ''. Available: ['backend_node', "),
    ],
)
def test_a_wrong_name_is_one_line_and_a_failure(words, expected):
    program = start("robot_policies.nodes", *words, domain=0)
    _, errors = program.communicate(timeout=60.0)
    assert program.returncode == 1
    assert errors.startswith(expected)
    assert errors.count("\n") == 1


def test_every_installed_program_is_one_of_them():
    assert sorted(path.name for path in LIBEXEC.iterdir()) == sorted(NODES)
