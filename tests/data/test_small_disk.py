"""A disk that is full or fills up: one line says so, and what was complete before can be read."""

import errno
import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sample_episode as sample

from robot_policies.data import writer
from robot_policies.data.convert import convert_spool, describe
from robot_policies.data.recorder import Recorder
from robot_policies.data.rerun_log import RerunLog
from robot_policies.data.video import VideoWriter
from robot_policies.data.writer import DatasetFolder
from robot_policies.interface import BackendError, ConfigError

FEATURES = {"x": {"dtype": "float32", "shape": [64], "names": None}}


def fill(disk: Path) -> None:
    until_full(lambda k: (disk / f"rest{k}").write_bytes(bytes(4096)), OSError)


def until_full(write: Callable[[int], object], kind: type[Exception] = BackendError) -> str:
    """Return what a writer says when nothing fits any more."""
    for k in range(10_000):
        try:
            write(k)
        except kind as error:
            return str(error)
    raise AssertionError("it all fitted")


def begin(observer) -> None:
    spec = sample.robot()
    observer.begin(spec, sample.policy(spec), sample.task(), {"x": 1})


def test_episodes_that_were_complete_before_the_disk_was_full_can_be_read(disk, monkeypatch):
    monkeypatch.setattr(writer, "SESSION", 400)
    rng, root = np.random.default_rng(0), disk / "ds"
    folder = DatasetFolder(root, 50, "toy", FEATURES)
    error = until_full(
        lambda k: folder.add_columns({"x": rng.normal(size=(200, 64))}, "wave", {"k": k})
    )
    folder.close()
    kept = describe(root)
    assert f"{root}: No space left on device; {kept['episodes']} episodes are kept" in error
    assert kept["episodes"] > 1
    assert [line["k"] for line in kept["recordings"]] == list(range(kept["episodes"]))


@pytest.mark.parametrize("images", [False, True])
def test_nothing_is_written_after_an_incomplete_session_was_taken_back(
    tmp_path, monkeypatch, images
):
    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    picture = {"dtype": "image", "shape": [8, 8, 3], "names": ["height", "width", "channels"]}
    features = {**FEATURES, **({"observation.images.top": picture} if images else {})}
    row = {"x": np.zeros(64), "observation.images.top": np.zeros((8, 8, 3), np.uint8)}
    rows = [{name: row[name] for name in features}]
    root = tmp_path / "ds"
    with DatasetFolder(root, 50, "toy", features) as folder:
        folder.add(rows, "wave", {})
    with DatasetFolder(root, 50, "toy", features) as folder:
        folder.add(rows, "wave", {})
        with monkeypatch.context() as patched:
            patched.setattr("lerobot.datasets.dataset_metadata.write_stats", fail)
            with pytest.raises(BackendError, match="1 episodes are kept"):
                folder.add(rows, "wave", {})
    gc.collect()  # LeRobot's objects write down what they have when they are collected
    assert describe(root)["episodes"] == len(describe(root)["recordings"]) == 1


def test_a_recording_that_fills_the_disk_is_rescued_up_to_its_last_row(disk, tmp_path):
    recorder = Recorder(disk / "ds")
    begin(recorder)
    taken: list[int] = []

    def step(k: int) -> None:
        recorder.step(sample.record(k))
        taken.append(k)

    error = until_full(step)
    recorder._loading.join()
    assert "No space left" in error
    assert f"{len(taken)} steps are kept: robot-policies data convert" in error
    with pytest.raises(BackendError, match="No space left"):
        recorder.close()
    (spool,) = (disk / "ds.spool").glob("*.mcap")
    assert convert_spool(spool, tmp_path / "saved").frames == len(taken)


def test_a_film_that_fills_the_disk_says_so(disk):
    rng = np.random.default_rng(0)
    film = VideoWriter(
        disk / "a.mp4",
        look=lambda width, height: rng.integers(0, 255, (height, width, 3), dtype=np.uint8),
        size=(320, 240),
    )
    begin(film)
    said = until_full(lambda k: film.step(sample.record(k)))
    assert said == f"{disk}/a.mp4: No space left on device"
    with pytest.raises(BackendError, match="No space left"):
        film.close()


def test_a_viewers_file_that_fills_the_disk_says_so(disk):
    log = RerunLog(disk / "a.rrd")
    begin(log)
    fill(disk)
    for k in range(500):
        log.step(sample.record(k, camera=True))
    with pytest.raises(BackendError, match=f"{disk}/a.rrd: No space left on device"):
        log.end(sample.result(500))
    log.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda disk: Recorder(disk / "ds"),
        lambda disk: VideoWriter(disk / "a.mp4", look=lambda w, h: np.zeros((h, w, 3), np.uint8)),
        lambda disk: RerunLog(disk / "a.rrd"),
    ],
    ids=["record", "video", "viewer"],
)
def test_a_full_disk_is_noticed_before_the_first_step(disk, make):
    fill(disk)
    observer = make(disk)
    with pytest.raises(ConfigError, match="No space left"):
        begin(observer)
