"""A trial recorded as a bag by real processes, also where one is killed or the disk is full."""

import json
import os
import signal
from pathlib import Path

import pytest
from ros_graph import Graph
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import JointState

from robot_policies.catalog import load_robot
from robot_policies.data.bag_episode import read_bag

HOLD = ("policy:=hold", "robot:=so101", "backend:=loopback", "task:=none")


def counts(bag: Path) -> dict[str, int]:
    """Return the messages of each topic, as an independent library counts them."""
    with Reader(bag) as reader:
        read = [connection.topic for connection, _, _ in reader.messages()]
    return {topic: read.count(topic) for topic in read}


def test_a_bag_has_every_message_of_a_trial_and_is_a_robot_again(tmp_path):
    bag, summary = tmp_path / "bag", tmp_path / "summary.json"
    with Graph(*HOLD, "seconds:=3", f"record:=bag:{bag}", f"summary:={summary}") as graph:
        status, errors = graph.end(None)
    assert status == 0, errors
    steps, recorded = json.loads(summary.read_text())["steps"], counts(bag)
    for topic in ("/joint_states", "/action_chunk", "/camera/top/image_raw"):
        assert abs(recorded[topic] - steps) <= 1, (topic, recorded, steps)
    assert {"/command_sent", "/robot_description", "/diagnostics"} <= recorded.keys()
    assert "action" in read_bag(bag, load_robot("so101")).streams

    again = tmp_path / "again.json"
    played = ("backend:=replay", f"options:={{dataset: {bag}}}", f"summary:={again}")
    with Graph(*HOLD[:2], "task:=none", *played) as graph:
        status, errors = graph.end(None)
    assert status == 0, errors
    result = json.loads(again.read_text())
    assert result["ended_by"] == "recording ended"
    assert abs(result["steps"] - steps) <= 2


def watching(pid: int) -> int:
    """Return the process that watches for a node: the child that was spawned for it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    words = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    (found,) = [child for child, text in words.items() if b"spawn_main" in text]
    return found


@pytest.mark.parametrize("victim", ["robot", "recorder"])
def test_of_a_bag_whose_trial_is_killed_the_last_second_is_lost_at_most(tmp_path, victim):
    bag = tmp_path / "bag"
    with Graph(*HOLD, f"record:=bag:{bag}") as graph:
        states = graph.listen(JointState, "joint_states", 1000)
        assert graph.wait(lambda: len(states) > 100, 60.0)
        robot = graph.children()["backend_node"]
        recorder = watching(robot)
        known = [message.header.stamp.nanosec for _, message in states]
        os.kill(robot if victim == "robot" else recorder, signal.SIGKILL)
        if victim == "robot":
            assert graph.wait(lambda: not Path(f"/proc/{recorder}").exists(), 20.0)
        graph.end(signal.SIGINT)
    episode = read_bag(bag, load_robot("so101"))
    missing = len(known) - episode.length
    assert missing <= 1.5 * load_robot("so101").control_rate


def test_a_full_disk_ends_the_bag_and_not_the_robot(disk):
    summary = disk.parent / "summary.json"
    more = f"record:=bag:{disk / 'bag'}", f"summary:={summary}"
    with Graph(*HOLD, "seconds:=5", *more) as graph:
        states = graph.listen(JointState, "joint_states", 1000)
        assert graph.wait(lambda: len(states) > 60, 60.0)
        with pytest.raises(OSError, match="No space left"):
            (disk / "rest").write_bytes(bytes(1 << 20))
        status, errors = graph.end(None)
    assert status == 3, errors
    assert "No space left on device; the bag ends here" in errors
    assert json.loads(summary.read_text())["reason"] == "5 s have passed"
    assert read_bag(disk / "bag", load_robot("so101")).length > 0


def test_a_bag_is_a_new_folder(tmp_path):
    (tmp_path / "bag").mkdir()
    with Graph(*HOLD, f"record:=bag:{tmp_path / 'bag'}") as graph:
        status, errors = graph.end(None)
    assert status == 3
    assert f"record: {tmp_path / 'bag'} is there already; a bag is a new folder" in errors
