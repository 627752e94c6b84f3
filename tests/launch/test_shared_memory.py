import fcntl
import mmap

import pytest

from robot_policies.launching.shared_memory import clean

SEGMENT, PORT = "fastdds_0123456789abcdef", "fastdds_port7410"


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
