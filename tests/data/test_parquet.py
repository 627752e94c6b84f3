"""Files that stand for more than they are, or for something else."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sample_episode as sample

from robot_policies.data.dataset import describe, read_info
from robot_policies.data.parquet import read_columns
from robot_policies.data.reading import open_dataset
from robot_policies.data.recorder import Recorder
from robot_policies.interface import ConfigError
from robot_policies_sim.engines.replay.logged_episode import read_episode

DATA, EPISODES = "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"
STATE = "observation.state"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """Two episodes of the toy robot, with pictures in the file of rows."""
    root = tmp_path_factory.mktemp("hostile") / "wave"
    spec = sample.robot()
    recorder = Recorder(root, "png")
    for first in (0, 7):
        recorder.begin(spec, sample.policy(spec), sample.task(), {})
        for k in range(5):
            recorder.step(sample.record(first + k, camera=True))
        recorder.end(sample.result(5))
    return root


@pytest.fixture
def copy(recorded, tmp_path) -> Path:
    return shutil.copytree(recorded, tmp_path / "copy")


def put(path: Path, name: str, values: pa.Array) -> None:
    """Write other values as a column of a file."""
    table = pq.read_table(path)
    place = table.column_names.index(name)
    pq.write_table(table.set_column(place, name, values), path)


def lists(*rows: object) -> pa.Array:
    return pa.array(rows, pa.list_(pa.float32()))


def open_and_read(root: Path) -> None:
    open_dataset(root)
    read_episode(root, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array(["up"] * 5), f"column '{STATE}' holds 5 values in 5 rows, expected 4 in each"),
        (lists([0.0] * 8, *[[0.0] * 3] * 4), "its rows are of unequal length"),
        (lists(*[[0.0] * 5] * 5), "holds 25 values in 5 rows, expected 4 in each"),
        (lists(*[[0.0, 0.0, 0.0, None]] * 5), "holds 5 missing values, expected float32"),
        (lists(*[[0.0] * 5] * 3, None, None), "holds 17 values in 5 rows"),
        (pa.array([["a"] * 4] * 5), "holds string, expected float32"),
        (pa.array([[{"deep": [1.0] * 4}]] * 5), "holds struct<deep: list<.*: double>>"),
        (pa.array([[[0.0] * 2] * 2] * 5), r"has rows of shape \[2, 2\], expected \[4\]"),
        (lists([0.0] * 30_000_000, *[[]] * 4), "holds 30000004 values in 5 rows"),
    ],
)
def test_a_column_holds_what_is_said(copy, values, message):
    put(copy / DATA, STATE, values)
    with pytest.raises(ConfigError, match=message) as error:
        read_episode(copy, 0)
    assert "\n" not in str(error.value)
    assert DATA in str(error.value)


def test_rows_that_nobody_recorded_are_not_unpacked(copy):
    """The file has 100 kB; it claims 67 million rows."""
    rows, table = 1 << 20, pq.read_table(copy / DATA)
    same = pa.table({"index": np.zeros(rows, np.int64)})
    with pq.ParquetWriter(copy / DATA, same.schema) as file:
        for _ in range(64):
            file.write_table(same, row_group_size=rows)
    assert (copy / DATA).stat().st_size < 400_000
    for read in (open_dataset, describe, lambda root: read_episode(root, 0)):
        with pytest.raises(ConfigError, match="claims 67108864 rows, at most 10000000 make s"):
            read(copy)
    pq.write_table(table.drop_columns(["action"]), copy / DATA)
    with pytest.raises(ConfigError, match="it has no column 'action'"):
        read_episode(copy, 0)


def test_a_short_text_in_many_rows_is_not_unpacked(tmp_path, monkeypatch):
    """A dictionary holds it once, and each row names it."""
    monkeypatch.setattr("robot_policies.data.parquet.MAX_BYTES", 1 << 20)
    path = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"note": pa.array(["x" * 100_000] * 1000)}), path)
    assert path.stat().st_size < 20_000
    with pytest.raises(ConfigError, match="would be read at once"):
        read_columns(path, {"note": {"dtype": "string", "shape": [1]}})


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("length", pa.array([-5]), "'length' holds -5, expected >= 0"),
        ("length", pa.array([1 << 62]), "data/ holds 10 rows, meta/episodes counts"),
        ("length", pa.array([[1, 1]]), "holds 2 values in 1 rows, expected 1 in each"),
        ("length", pa.array([np.nan]), "column 'length' holds double, expected int64"),
        ("data/chunk_index", pa.array(["../.."]), "holds string, expected int64"),
        ("episode_index", pa.array([1]), "lists episode 0 0 times"),
    ],
)
def test_the_list_of_episodes_holds_what_can_be(copy, name, values, message):
    put(copy / EPISODES, name, values)
    with pytest.raises(ConfigError, match=message) as error:
        open_and_read(copy)
    assert "\n" not in str(error.value)


def test_a_picture_is_what_is_said(copy):
    name = "observation.images.front"
    pictures = pq.read_table(copy / DATA)[name].to_pylist()
    held = pictures[1]["bytes"]
    for wrong, message in ((None, "picture 1"), (b"", "picture 1"), (held[:40], "picture 1")):
        pictures[1]["bytes"] = wrong
        put(copy / DATA, name, pa.array(pictures))
        with pytest.raises(ConfigError, match=message):
            list(read_episode(copy, 0).images(name))
    pictures[1]["bytes"] = held
    put(copy / DATA, name, pa.array(pictures))
    info = json.loads((copy / "meta/info.json").read_text())
    info["features"][name]["shape"] = [480, 640, 3]
    (copy / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(
        ConfigError, match=r"picture 0 .* is 64x48, expected shape \[480, 640, 3\]"
    ):
        list(read_episode(copy, 0).images(name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": 1}, "expected a text and a list of whole numbers"),
        ({"shape": [-1]}, "expected a text and a list of whole numbers"),
        ({"dtype": ["float32"]}, "expected a text and a list of whole numbers"),
        ({"names": 5}, "has names 5, expected a list of texts"),
        ({"names": {"motors": None}}, "has names {'motors': None}"),
        ({"names": [["a"]]}, "expected a list of texts"),
        ({"dtype": "video"}, "video_path is None, expected a text"),
    ],
)
def test_a_feature_is_described(copy, change, message):
    info = json.loads((copy / "meta/info.json").read_text())
    info["features"][STATE] |= change
    info["video_path"] = None
    (copy / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(ConfigError, match=message):
        read_info(copy)


@pytest.mark.parametrize("entry", [5, {"min": ["a"]}, {"min": [1, [2]]}, {"max": {"a": 1}}])
def test_statistics_are_numbers(copy, entry):
    stats = json.loads((copy / "meta/stats.json").read_text())
    (copy / "meta/stats.json").write_text(json.dumps({**stats, STATE: entry}))
    with pytest.raises(ConfigError, match=f"stats.json: '{STATE}' holds what are no numbers"):
        describe(copy)


def test_a_wide_template_makes_no_long_path(copy):
    info = json.loads((copy / "meta/info.json").read_text())
    info["data_path"] = "{chunk_index:>999999999}"
    (copy / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(ConfigError, match="100 characters wide or more"):
        open_dataset(copy)
