"""Launched graphs on robots that `robot-policies emulate` runs."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ros_graph import Graph, free_domain, mode_of
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty
from std_srvs.srv import Trigger


@contextmanager
def emulated(domain: int, *words: str) -> Iterator[tuple[str, dict]]:
    """Run an emulator; yield what it says, and a document that is filled at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "robot_policies.cli.app", "emulate", *words, "--json", "-"],
        env={**os.environ, "ROS_DOMAIN_ID": str(domain)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = process.stderr.readline()
    while said and "Ctrl-C ends" not in said:
        said = process.stderr.readline()
    told: dict = {}
    try:
        yield said, told
    finally:
        process.send_signal(signal.SIGINT)
        document, _ = process.communicate(timeout=30.0)
    told |= json.loads(document)


def test_a_go2_stands_up_and_hears_nothing_but_whole_commands(monkeypatch):
    domain = free_domain()
    with emulated(domain, "go2") as (said, told):
        found = re.search(r"PYTHONPATH=(\S+) .*options:=\"(.*)\"", said)
        assert found
        monkeypatch.setenv("PYTHONPATH", found[1])
        names = ("policy:=hold", "robot:=go2", "backend:=unitree", "task:=none")
        with Graph(*names, f"options:={found[2]}", domain=domain) as graph:
            states = graph.listen(JointState, "joint_states", 100)
            operator = graph.node.create_publisher(Empty, "heartbeat", 10)
            graph.node.create_timer(0.1, lambda: operator.publish(Empty()))
            assert graph.wait(lambda: states, 60.0)
            assert graph.call(Trigger, "backend/stand").success
            standing = {"FL_thigh_joint": 0.8, "FL_calf_joint": -1.5}

            def stands() -> bool:
                here = dict(zip(states[-1][1].name, states[-1][1].position, strict=True))
                return all(here[name] == pytest.approx(q, abs=0.1) for name, q in standing.items())

            assert graph.wait(stands, 20.0), states[-1:]
            status, _ = graph.end()
    assert status == 0
    assert told["commands"] > 500
    assert told["refused"] == {}


def test_an_arm_behind_ros2_control_holds_and_none_of_its_trajectories_is_rejected():
    domain = free_domain()
    with emulated(domain, "ros2_control", "--robot", "so101") as (_, told):
        names = ("policy:=hold", "robot:=so101", "backend:=ros2_control", "task:=none")
        with Graph(*names, domain=domain) as graph:
            sent = graph.listen(JointState, "command_sent", 100)
            assert graph.wait(
                lambda: [mode_of(message) for _, message in sent].count("policy") > 30, 60.0
            )
            status, _ = graph.end()
    assert status == 0
    assert told["commands"] > 30
    assert told["rejected"] == []
