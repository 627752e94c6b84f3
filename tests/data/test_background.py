"""Watching from a process of its own: what a step costs, what is dropped first, who may die."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import sample_episode as sample
from made_up_watchers import CAMERA, Failing, Shown, Told

from robot_policies.data import background
from robot_policies.data.background import Background
from robot_policies.data.byte_queue import ByteWriter
from robot_policies.data.messages import pack, put_together, take_apart, unpack
from robot_policies.data.recorder import Recorder
from robot_policies.data.spool import read_spool
from robot_policies.interface import ArraySpec, ConfigError
from robot_policies.interface.observation import is_picture

STREAMS = {CAMERA: ArraySpec(CAMERA, sample.SHAPE, np.dtype(np.uint8))}
PATIENCE = 60.0  # s; for what another process does


def begun(watchers, **how) -> Background:
    spec = sample.robot()
    observer = Background(watchers, STREAMS, **how)
    observer.begin(spec, sample.policy(spec), sample.task(), {"x": 1})
    return observer


def wait_until(true) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_record_comes_out_as_it_went_in():
    record = sample.record(2, camera=True)
    fields, pictures = take_apart(record)
    assert list(pictures) == [CAMERA]
    copy = put_together(*unpack(memoryview(b"".join(pack((fields, pictures))))))
    assert (copy.time, copy.progress, copy.goal["task"]) == (record.time, record.progress, "wave")
    assert copy.verdict.refusal.text == record.verdict.refusal.text
    assert copy.state.stamps == record.state.stamps
    for name, value in record.state.features.items():
        np.testing.assert_array_equal(copy.state.features[name], value)
    assert not any(is_picture(name) for name in fields["state"]["features"])


def test_the_queue_goes_round_and_is_bounded():
    from multiprocessing import get_context

    writer = ByteWriter(get_context("spawn"), 100)
    for k in range(50):
        text = bytes([k]) * (1 + k)
        assert writer.put([text[:1], memoryview(text)[1:]])
        assert bytes(writer.reader.get()) == text
    assert writer.put([bytes(60)])
    assert not writer.put([bytes(41)])
    assert writer.room == 40
    assert writer.put([bytes(40)])
    writer.close()
    assert [len(writer.reader.get() or b"") for _ in range(3)] == [60, 40, 0]
    writer.reader.close()


def test_without_a_clock_every_step_reaches_everybody_however_slow(tmp_path, monkeypatch):
    monkeypatch.setattr(background, "ROWS", 20_000)
    monkeypatch.setattr(background, "PICTURES", 1)
    watchers = Told(tmp_path / "rows", pause=0.005), Shown(tmp_path / "film", pause=0.005)
    observer = begun(watchers, real_time=False)
    for k in range(200):
        observer.step(sample.record(k, camera=True))
    observer.end(sample.result(200))
    observer.close()
    for watcher in watchers:
        assert watcher.steps() == list(range(200))
    assert observer.figures == {"behind": 0.0, "lost_rows": 0.0, "lost_frames": 0.0}


def test_in_real_time_films_are_dropped_first_then_pictures_and_rows_last(tmp_path, monkeypatch):
    monkeypatch.setattr(background, "ROWS", 400_000)
    monkeypatch.setattr(background, "PICTURES", 8)
    rows, film = Told(tmp_path / "rows", pause=0.02), Shown(tmp_path / "film")
    observer = begun((rows, film))
    started, costs, full = time.perf_counter(), [], {}
    for k in range(1000):  # 20 s of a robot within less than one
        before = time.perf_counter()
        observer.step(sample.record(k, camera=True))
        costs.append(time.perf_counter() - before)
        for what in observer.lacks:
            full.setdefault(what, k)
    took = time.perf_counter() - started
    figures = observer.figures
    assert took < 10.0, "a full queue held up the robot"
    assert np.median(costs) < 2e-3
    assert figures["behind"] > 5.0
    assert full[CAMERA] < full["rows"]
    observer.end(sample.result(1000))
    observer.close()
    told, shown = rows.steps(), film.steps()
    assert len(told) == 1000 - observer.lacks["rows"]
    assert told[: full["rows"]] == list(range(full["rows"]))
    assert len(shown) < len(told) / 2
    lost = f"{observer.lacks[CAMERA]} pictures, {observer.lacks['rows']} rows lost"
    assert lost in observer.notes
    assert any("shown: lacks" in note for note in observer.notes)
    assert observer.faults == []


def test_a_picture_that_was_lost_is_the_one_before_with_its_own_capture_time(tmp_path):
    observer = begun([Told(tmp_path / "rows")])
    for k in range(3):
        record = sample.record(k, camera=True)
        if k == 1:
            observer._stamps[CAMERA] = record.state.stamps[CAMERA]  # as if there were no room
        observer.step(record)
    observer.end(sample.result(3))
    observer.close()
    assert (tmp_path / "rows").read_text().split() == ["0", "1", "1", "1", "2", "3"]


def test_one_that_fails_is_told_once_and_the_others_go_on(tmp_path, capfd):
    observer = begun((Failing(tmp_path / "full"), Told(tmp_path / "rows")))
    for k in range(20):
        observer.step(sample.record(k))
    observer.end(sample.result(20))
    observer.close()
    assert Told(tmp_path / "rows").steps() == list(range(20))
    assert Told(tmp_path / "full").steps() == [0, 1, 2]
    assert observer.faults == ["OSError: [Errno 28] No space left on device"]
    assert capfd.readouterr().err.count("No space left on device; the robot goes on") == 1


def test_the_robot_goes_on_when_the_process_that_watches_is_killed(tmp_path, capfd):
    observer = begun([Told(tmp_path / "rows")])
    observer.step(sample.record(0))
    wait_until(lambda: Told(tmp_path / "rows").steps())
    os.kill(observer._process.pid, signal.SIGKILL)
    observer._process.join()
    for k in range(1, 5):
        observer.step(sample.record(k))
    assert observer.figures["lost_rows"] == 4.0
    observer.end(sample.result(5))
    assert len(observer.faults) == 1
    assert "their process died (-9)" in observer.faults[0]
    wait_until(lambda: "the robot goes on" in capfd.readouterr().err)
    observer.begin(sample.robot(), sample.policy(sample.robot()), sample.task(), {})
    observer.close()


def test_what_cannot_be_written_is_refused_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/ds: cannot be written"):
        begun([Recorder(tmp_path / "file" / "ds")])


PARENT = """
import sys, time
sys.path[:0] = {paths!r}
if __name__ == "__main__":
    import sample_episode as sample
    from pathlib import Path
    from robot_policies.data.background import Background
    from robot_policies.data.recorder import Recorder
    from robot_policies.data.video import VideoWriter
    from robot_policies.interface import ArraySpec
    spec = sample.robot()
    root = Path({root!r})
    watchers = Recorder(root / "ds"), VideoWriter(root / "a.mp4", camera="front")
    front = ArraySpec("front", sample.SHAPE, "uint8")
    observer = Background(watchers, {{"observation.images.front": front}})
    observer.begin(spec, sample.policy(spec), sample.task(), {{"x": 1}})
    print(observer._process.pid, flush=True)
    for k in range(10**9):
        observer.step(sample.record(k, camera=True))
        print(k, flush=True)
        time.sleep(0.001)
"""


def test_a_parent_that_is_killed_leaves_a_complete_spool_and_film_and_no_process(tmp_path):
    import av

    script = tmp_path / "parent.py"
    paths = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    script.write_text(PARENT.format(paths=paths, root=str(tmp_path)))
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        watcher = int(parent.stdout.readline())
        steps = 0
        for line in parent.stdout:
            steps = int(line)
            if steps == 100:
                parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{watcher}").exists())
    (spool,) = (tmp_path / "ds.spool").glob("*.mcap")
    assert steps + 1 <= read_spool(spool).length <= steps + 2
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) >= steps // 2
    assert not (tmp_path / ".ds.lock").exists()
