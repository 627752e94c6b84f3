import fcntl
import mmap
import os
import subprocess
import sys

import pytest
from ros_graph import free_domain

from robot_policies.launching import shared_memory
from robot_policies.launching.shared_memory import NAME, clean, mapped

SEGMENT, PORT = "fastdds_0123456789abcdef", "fastdds_port7410"
NODE = """
import rclpy
rclpy.init()
node = rclpy.create_node("killed")
print("made", flush=True)
rclpy.spin(node)
"""


@pytest.fixture
def folder(tmp_path):
    for name in (SEGMENT, f"{SEGMENT}_el", PORT, f"{PORT}_el", f"sem.{PORT}_mutex", "other"):
        (tmp_path / name).write_bytes(b"x" * 4096)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_dead_process_left_is_removed_and_nothing_else(folder):
    assert sorted(clean(folder)) == [SEGMENT, PORT]
    assert names(folder) == ["other"]


@pytest.mark.parametrize("name", [SEGMENT, PORT])
def test_what_is_locked_stays(folder, name):
    before = [each for each in names(folder) if name in each]
    with (folder / f"{name}_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        clean(folder)
    assert names(folder) == sorted([*before, "other"])


def test_what_is_taken_while_others_are_asked_stays(folder, monkeypatch):
    with (folder / f"{PORT}_el").open() as lock:

        def take(folder):
            fcntl.flock(lock, fcntl.LOCK_EX)
            return set()

        monkeypatch.setattr(shared_memory, "mapped", take)
        assert clean(folder) == [SEGMENT]
    assert names(folder) == [PORT, f"{PORT}_el", "other", f"sem.{PORT}_mutex"]


def test_what_is_mapped_stays_though_its_owner_is_dead(folder):
    with (folder / SEGMENT).open("r+b") as file, mmap.mmap(file.fileno(), 0):
        assert clean(folder) == [PORT]
    assert clean(folder) == [SEGMENT]


def test_a_segment_whose_owner_cannot_be_asked_stays_and_a_port_without_readers_goes(folder):
    (folder / f"{SEGMENT}_el").unlink()
    (folder / f"{PORT}_el").unlink()
    assert clean(folder) == [PORT]
    assert names(folder) == [SEGMENT, "other"]


def test_a_machine_without_shared_memory_has_nothing_to_clean(tmp_path):
    assert clean(tmp_path / "nowhere") == []


def test_of_a_killed_node_nothing_stays():
    node = subprocess.Popen(
        [sys.executable, "-c", NODE],
        env={**os.environ, "ROS_DOMAIN_ID": str(free_domain())},
        stdout=subprocess.PIPE,
    )
    with node:
        assert node.stdout
        assert node.stdout.readline() == b"made\n"
        own = {path for path in mapped(processes=str(node.pid)) if NAME.fullmatch(path.name)}
        node.kill()
    assert own
    clean()
    assert not [path for path in own if path.exists() and path not in mapped()]
