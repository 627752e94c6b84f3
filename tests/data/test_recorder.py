import gc
import io
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import sample_episode as sample

from robot_policies.data.convert import convert_spool, describe
from robot_policies.data.interrupted import take_back
from robot_policies.data.recorder import Recorder
from robot_policies.data.spool import read_spool
from robot_policies.data.spool_writer import SpoolWriter
from robot_policies.data.writer import DatasetFolder
from robot_policies.interface import BackendError, ConfigError

STATE = "observation.state"
CAMERA = "observation.images.front"


def record(root: Path, steps: int = 5, success: float = 1.0, images: str = "video", **how) -> Path:
    spec = sample.robot()
    recorder = Recorder(root, images)
    try:
        recorder.begin(spec, sample.policy(spec), sample.task(), {"x": 1})
        for k in range(steps):
            recorder.step(sample.record(k, **how))
        recorder.end(sample.result(steps, success))
    finally:
        recorder.close()
    return root


def load(root: Path):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("local/test", root=root, video_backend="pyav")


def rows(root: Path) -> list[dict]:
    return [
        row
        for path in sorted(root.glob("data/*/*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def test_two_episodes_load_in_lerobot_with_equal_values(tmp_path):
    root = record(tmp_path / "wave")
    record(root, steps=4, success=0.0)
    dataset = load(root)
    assert (dataset.num_episodes, dataset.num_frames, dataset.fps) == (2, 9, 50)
    frame = dataset[7]  # row 2 of the second episode
    np.testing.assert_array_equal(frame[STATE], np.float32([0.02, 0.12, 3.0, 4.0]))
    np.testing.assert_array_equal(frame["action"], np.float32([0.32, 0.42]))
    np.testing.assert_array_equal(frame["observation.imu"], np.arange(10, dtype="f4") + 2)
    assert frame["task"] == "wave"
    assert (frame["safety.level"], frame["safety.refusal"][:8]) == ("hold", "position")
    assert dataset.meta.features[STATE]["names"] == [
        "left.pos",
        "right.pos",
        "left.vel",
        "right.vel",
    ]
    assert dataset.meta.features["action"]["names"] == ["left", "right"]
    assert [bool(dataset[i]["next.done"]) for i in range(9)] == [False] * 4 + [True] + [
        False
    ] * 3 + [True]
    assert [bool(dataset[i]["next.success"]) for i in (4, 8)] == [True, False]


def test_progress_bars_of_libraries_take_no_semaphore(tmp_path, monkeypatch):
    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("a semaphore that a process which ends at once leaves over")

    monkeypatch.delattr("tqdm.std.tqdm._lock", raising=False)
    monkeypatch.delattr("tqdm.std.TqdmDefaultWriteLock.mp_lock", raising=False)
    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    record(tmp_path / "wave", images="png")
    assert len(load(record(tmp_path / "wave", images="png"))) == 10


def test_capture_stamps_are_kept_to_the_last_bit(tmp_path):
    root = record(tmp_path / "wave")
    for k, row in enumerate(rows(root)):
        state = sample.record(k).state
        assert row[f"capture_stamp.{STATE}"] == state.stamp
        assert row["capture_stamp.observation.imu"] == state.stamps["observation.imu"]
        assert row["capture_stamp.action"] == state.stamp + 0.004
        assert row["capture_stamp.observation.velocity_command"] == state.stamp + 0.004
    column = load(root).hf_dataset.with_format("numpy")[f"capture_stamp.{STATE}"]
    assert np.asarray(column)[3] == sample.EPOCH + 0.06


def test_png_images_are_exact_and_videos_have_every_frame(tmp_path):
    exact = load(record(tmp_path / "png", images="png", camera=True))
    for k in range(5):
        picture = (exact[k][CAMERA].numpy().transpose(1, 2, 0) * 255).round()
        np.testing.assert_array_equal(picture, sample.image(k))
    root = record(tmp_path / "mp4", camera=True)
    record(root, camera=True)
    video = load(root)
    for k in (0, 4, 8):
        picture = video[k][CAMERA].numpy().transpose(1, 2, 0) * 255
        assert np.abs(picture - sample.image(k % 5)).mean() < 12.0


def test_an_unchanged_image_is_spooled_once_and_comes_back_in_every_step(tmp_path):
    path = tmp_path / "a.mcap"
    writer = SpoolWriter(path, {})
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    for k in range(20):
        writer.write(0.02 * k, {"image": noise, "text": f"{k}"}, {"image": 7.25, "text": 0.02 * k})
    writer.close({"ended_by": "horizon"})
    spool = read_spool(path)
    assert (spool.length, spool.result) == (20, {"ended_by": "horizon"})
    assert path.stat().st_size < 2 * noise.nbytes
    for k, step in enumerate(spool.steps()):
        np.testing.assert_array_equal(step.values["image"], noise)
        assert (step.stamps["image"], step.values["text"], step.time) == (7.25, f"{k}", 0.02 * k)


def test_the_spool_is_a_file_that_mcap_tools_read(tmp_path):
    from mcap.reader import make_reader

    path = tmp_path / "a.mcap"
    writer = SpoolWriter(path, {"robot": "toy"})
    writer.write(1.5, {"x": np.array([0.1, np.float64(1) / 3])}, {"x": 1.25})
    writer.close({})
    with path.open("rb") as file:
        messages = [(c.topic, m) for _, c, m in make_reader(file).iter_messages()]
    topic, message = messages[0]
    assert (topic, message.log_time) == ("step", 1_500_000_000)
    expected = {"time": 1.5, "values": {"x": [0.1, 1 / 3]}, "stamps": {"x": 1.25}}
    assert json.loads(message.data) == expected


def test_a_spool_of_any_length_takes_the_same_memory(tmp_path):
    writer = SpoolWriter(tmp_path / "a.mcap", {"robot": "toy"})

    def write(first: int, count: int) -> int:
        for k in range(first, first + count):
            values = {"x": np.full(3, float(k)), "image": np.full((2, 2), k % 256, np.uint8)}
            writer.write(0.02 * k, values, dict.fromkeys(values, 0.02 * k))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early, late = write(0, 100), write(100, 2000)
    finally:
        tracemalloc.stop()
        writer.close({})
    assert late - early < 20_000, "bytes: mcap's own writer keeps 800,000 of 2000 steps"


@pytest.mark.parametrize("lost", [1, 9, 40, 200])
def test_a_torn_file_gives_back_its_whole_steps(tmp_path, lost):
    path = tmp_path / "a.mcap"
    writer = SpoolWriter(path, {"robot": "toy"})
    for k in range(50):
        writer.write(0.02 * k, {"x": np.full(3, float(k))}, {"x": 0.02 * k})
    whole = path.stat().st_size
    data = path.read_bytes()
    writer.close({})
    torn = tmp_path / "torn.mcap"
    torn.write_bytes(data[: whole - lost])
    spool = read_spool(torn)
    assert 47 <= spool.length <= 50
    assert [step.values["x"][0] for step in spool.steps()] == list(range(spool.length))


KILLED = """
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any
sys.path[:0] = {paths!r}
import sample_episode as sample
from robot_policies.data.recorder import Recorder
spec = sample.robot()
recorder = Recorder(Path({root!r}))
recorder.begin(spec, sample.policy(spec), sample.task(), {{"x": 1}})
for k in range(10**9):
    recorder.step(sample.record(k))
    print(k, flush=True)
"""


def test_a_killed_recording_is_recovered_up_to_its_last_step(tmp_path):
    root = tmp_path / "wave"
    paths = [
        str(Path(__file__).parents[1]),
        str(Path(__file__).parents[2]),
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(paths=paths, root=str(root))],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    written = 0
    for line in process.stdout:
        written = int(line)
        if written >= 40:
            os.kill(process.pid, signal.SIGKILL)
            break
    written = max([written, *(int(line) for line in process.stdout)])
    process.wait()
    process.stdout.close()
    assert not root.exists()
    done = convert_spool(tmp_path / "wave.spool", root)
    assert done.episodes == 1
    assert written + 1 <= done.frames <= written + 2  # the killed step may have been complete
    last = rows(root)[-1]
    expected = np.float32(np.array([0.3, 0.4]) + 0.01 * (done.frames - 1))
    np.testing.assert_array_equal(last["action"], expected)
    assert not last["next.done"]
    assert describe(root)["recordings"][0]["interrupted"] is True


def die(root: Path, monkeypatch, damage: bool) -> None:
    """Append an episode by a writer that does not reach its end."""
    before = set(root.glob("data/*/*.parquet"))
    monkeypatch.setattr(DatasetFolder, "close", lambda self: None)
    record(root)
    monkeypatch.undo()
    gc.collect()
    (path,) = set(root.glob("data/*/*.parquet")) - before
    if damage:  # as SIGKILL leaves it: without the footer
        path.write_bytes(path.read_bytes()[:-100])


def test_what_an_interrupted_append_left_incomplete_is_taken_back_with_a_word(
    tmp_path, monkeypatch, capfd
):
    root = record(tmp_path / "wave")
    die(root, monkeypatch, damage=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        describe(root)
    record(root, steps=4)
    assert "1 episodes are complete and kept" in capfd.readouterr().err
    dataset = load(root)
    assert (dataset.num_episodes, dataset.num_frames) == (2, 9)
    assert [line["length"] for line in describe(root)["recordings"]] == [5, 4]


def test_of_a_first_session_that_completed_nothing_no_empty_dataset_stays(
    tmp_path, monkeypatch, capfd
):
    root = tmp_path / "wave"
    die(root, monkeypatch, damage=True)
    take_back(root)
    assert "0 episodes are complete" in capfd.readouterr().err
    assert list(root.iterdir()) == []
    record(root)
    assert load(root).num_episodes == 1


def test_episodes_that_can_be_read_are_kept_whatever_ended_their_writer(tmp_path, monkeypatch):
    root = record(tmp_path / "wave")
    die(root, monkeypatch, damage=False)
    record(root, steps=4)
    dataset = load(root)
    assert (dataset.num_episodes, dataset.num_frames) == (3, 14)


def test_a_conversion_goes_on_when_nobody_reads_how_far_it_is(tmp_path, monkeypatch):
    class Unread(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Unread())
    monkeypatch.setattr("robot_policies.data.recorder.LONG", 10)
    assert len(rows(record(tmp_path / "ds", steps=20))) == 20


def test_other_features_are_refused_in_one_line(tmp_path):
    root = record(tmp_path / "wave")
    with pytest.raises(
        ConfigError, match=r"the new episode's '.*images.front' is not in"
    ) as error:
        record(root, images="png", camera=True)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "wave.spool").glob("*.mcap")), "the refused episode is still there"
    assert load(root).num_episodes == 1


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter1.tex").write_text("...")
    with pytest.raises(ConfigError, match="no LeRobotDataset"):
        record(folder)
    assert [path.name for path in folder.iterdir()] == ["chapter1.tex"]


def test_rewards_belong_to_the_action_before_them(tmp_path):
    spec = sample.robot()
    recorder = Recorder(tmp_path / "wave")
    recorder.begin(spec, sample.policy(spec), sample.task(), {})
    for k in range(4):
        recorder.step(sample.record(k, reward=10.0 * k))
    recorder.end(sample.result(4))
    recorder.close()
    table = rows(tmp_path / "wave")
    assert [row["next.reward"] for row in table] == [10.0, 20.0, 30.0]
    assert [row["next.done"] for row in table] == [False, False, True]


def test_a_late_camera_and_changing_sizes_are_told(tmp_path):
    spec, root = sample.robot(), tmp_path / "wave"
    recorder = Recorder(root, "png")
    recorder.begin(spec, sample.policy(spec), sample.task(), {})
    for k in range(5):
        step = sample.record(k, camera=k >= 2)
        step.state.truth["points"] = np.zeros((3 + k, 3))
        recorder.step(step)
    recorder.end(sample.result(5))
    recorder.close()
    assert len(rows(root)) == 3
    assert "truth.points" not in describe(root)["features"]
    assert any("truth.points: its size changes" in note for note in recorder.notes)
    assert any("first 2 steps are left out" in note for note in recorder.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no recording"), (b"PK\x03\x04 not mcap" * 9, "no recording"), (None, "No such file")],
)
def test_what_is_no_spool_is_refused(tmp_path, content, message):
    path = tmp_path / "a.mcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as error:
        convert_spool(path, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


ABOUT = {"robot": "toy", "task": "wave", "fps": 50, "images": "png", "names": {}}
X = {"x": "<f4"}
STEP = {"time": 0.0, "values": {"x": [1.0]}, "stamps": {"x": 0.0}}


@pytest.mark.parametrize(
    ("about", "step", "message"),
    [
        ({}, STEP, "robot is None"),
        ({**ABOUT, "fps": "50"}, STEP, "fps is '50'"),
        ({**ABOUT, "names": {"x": {"dtype": "video"}}}, STEP, "x is described as"),
        (ABOUT, "[" * 100_000, "damaged"),
        (ABOUT, {**STEP, "values": {"y": [1.0]}}, "damaged, or no recording: KeyError"),
        (ABOUT, {**STEP, "values": {"x": ["a"]}}, "damaged"),
        (ABOUT, [], "damaged"),
        ({**ABOUT, "fps": 0}, STEP, "fps is 0"),
        ({**ABOUT, "fps": float("nan")}, STEP, "fps is nan"),
        ({**ABOUT, "names": {"x": {"names": {"q": 7}, "unit": 9}}}, STEP, "x is described as"),
        ({**ABOUT, "names": {"x": {"names": ["a", "b"]}}}, STEP, "x has 1 elements and 2 in"),
        (ABOUT, {**STEP, "values": {"x": None}}, "'x' is no vector"),
        (ABOUT, {**STEP, "time": "now"}, "'now' is no time"),
        (ABOUT, {**STEP, "stamps": {"x": float("nan")}}, "nan is no time"),
        (ABOUT, {**STEP, "stamps": {}}, "KeyError"),
        (ABOUT, {**STEP, "values": {"x": [[1.0], [2.0]]}}, "'x' is no vector"),
        (ABOUT, {**STEP, "values": {"x": " " * (1 << 24)}}, "a text of .* bytes, at most"),
    ],
)
def test_a_spool_that_somebody_made_up_is_refused_in_one_line(tmp_path, about, step, message):
    path = tmp_path / "a.mcap"
    spool(path, about, step if isinstance(step, str) else json.dumps(step))
    with pytest.raises(ConfigError, match=message) as error:
        convert_spool(path, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dtype", ["O", "S1000000000", "i4,f8", "M8[s]", "c16", ["f8"]])
def test_a_feature_of_a_spool_is_of_numbers_or_text(tmp_path, dtype):
    path = tmp_path / "a.mcap"
    spool(path, ABOUT, json.dumps(STEP), {"x": dtype})
    with pytest.raises(ConfigError, match="'x' is of type"):
        read_spool(path)


@pytest.mark.parametrize("name", ["", "../x", "index"])
def test_a_feature_of_a_spool_has_a_name_that_a_column_can_have(tmp_path, name):
    path = tmp_path / "a.mcap"
    step = {"time": 0.0, "values": {name: [1.0]}, "stamps": {name: 0.0}}
    spool(path, ABOUT, json.dumps(step), {name: "<f4"})
    with pytest.raises(ConfigError, match=f"'{name}' is"):
        convert_spool(path, tmp_path / "out")


def test_a_picture_of_a_spool_has_rows_columns_and_colours(tmp_path):
    path, name = tmp_path / "a.mcap", "observation.images.x"
    step = {"time": 0.0, "values": {name: [1.0]}, "stamps": {name: 0.0}}
    spool(path, ABOUT, json.dumps(step), {name: "<f4"})
    with pytest.raises(ConfigError, match=r"shape \(1,\), no picture"):
        convert_spool(path, tmp_path / "out")


def spool(path: Path, about: dict, step: str, dtypes: Mapping[str, Any] = X) -> None:
    """Write a spool whose one step is any text."""
    from mcap.writer import Writer

    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.add_metadata("episode", {"json": json.dumps(about)})
        writer.add_metadata("features", {"json": json.dumps(dtypes)})
        channel = writer.register_channel("step", "json", 0)
        writer.add_message(channel, 0, step.encode(), 0)
        writer.finish()


def test_a_small_spool_that_says_it_is_large_is_not_unpacked(tmp_path):
    path = tmp_path / "a.mcap"
    spool(path, ABOUT, " " * (1 << 29))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ConfigError, match="a step of .* bytes, at most"):
        read_spool(path)


def test_a_colon_in_a_folder_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = record(Path("a: b"), steps=2)
    assert len(load(root.absolute())) == 2
    assert not Path("a: b.spool").exists()


def test_a_damaged_line_about_a_recording_is_named(tmp_path):
    root = record(tmp_path / "wave", steps=2, images="png")
    with (root / "meta" / "recordings.jsonl").open("a") as file:
        file.write("[" * 100_000 + "\n")
    with pytest.raises(ConfigError, match=r"recordings.jsonl, line 2: nested deeper"):
        describe(root)


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "a.mcap"
    writer = SpoolWriter(path, {})
    noise = np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    writer.write(0.0, {"image": noise}, {"image": 0.0})
    writer.close({})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="damaged"):
        read_spool(path)


def test_a_stream_that_changes_its_type_is_refused(tmp_path):
    writer = SpoolWriter(tmp_path / "a.mcap", {})
    writer.write(0.0, {"x": np.zeros(2, np.float32)}, {"x": 0.0})
    with pytest.raises(BackendError, match="x was <f4, now <f8"):
        writer.write(0.1, {"x": np.zeros(2)}, {"x": 0.1})
    writer.close({})


def test_a_rate_lerobot_cannot_store_is_refused(tmp_path):
    spec = sample.robot(control_rate=12.5)
    recorder = Recorder(tmp_path / "wave")
    with pytest.raises(ConfigError, match="12.5 frames/s"):
        recorder.begin(spec, sample.policy(spec), sample.task(), {})
    recorder.close()


def test_one_damaged_spool_of_many_stops_the_conversion_before_it_begins(tmp_path):
    folder = tmp_path / "spools"
    for name in ("a", "b"):
        writer = SpoolWriter(folder / f"{name}.mcap", {"robot": "toy"})
        writer.write(0.0, {"x": np.zeros(2)}, {"x": 0.0})
        writer.close({})
    (folder / "b.mcap").write_bytes(b"torn")
    with pytest.raises(ConfigError, match="b.mcap"):
        convert_spool(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
