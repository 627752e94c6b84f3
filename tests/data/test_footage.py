"""Pictures on their way into a dataset: films are complete or gone, statistics are LeRobot's."""

from pathlib import Path

import numpy as np
import pytest
from lerobot.datasets.compute_stats import compute_episode_stats
from PIL import Image

from robot_policies.data.footage import SAMPLES, Footage, Samples
from robot_policies.interface import ConfigError

CAMERA = "observation.images.top"


def features(kind: str, height: int = 32, width: int = 48) -> dict[str, dict]:
    return {CAMERA: {"dtype": kind, "shape": [height, width, 3]}}


def noise(count: int, height: int = 32, width: int = 48) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    shape = (count, height, width, 3)
    return [{CAMERA: picture} for picture in rng.integers(0, 200, shape, dtype=np.uint8)]


@pytest.mark.parametrize("height", [32, 480])
def test_statistics_are_lerobots(tmp_path, height):
    rows = noise(20, height)
    paths = [tmp_path / f"{number}.png" for number in range(len(rows))]
    for path, row in zip(paths, rows, strict=True):
        Image.fromarray(row[CAMERA]).save(path)
    with Footage(features("image", height), {}, 30) as footage:
        list(footage.taken(rows))
    known = compute_episode_stats({CAMERA: [*map(str, paths)]}, features("image", height))
    assert footage.statistics()[CAMERA].keys() == known[CAMERA].keys()
    for name, value in footage.statistics()[CAMERA].items():
        np.testing.assert_array_equal(value, known[CAMERA][name])


@pytest.mark.parametrize("count", [1, 199, 200, 1000])
def test_samples_are_few_and_evenly_spread(count):
    samples = Samples()
    for number in range(count):
        samples.add(np.full((2, 2, 3), number * 250 // count, np.uint8))
    found = samples.statistics()
    assert min(count, SAMPLES) <= found["count"][0] < 2 * SAMPLES
    assert found["min"][0] == 0.0
    assert found["mean"][0] == pytest.approx(125 / 255 * (count > 1), abs=0.01)


def test_a_film_that_is_interrupted_is_gone(tmp_path):
    path = tmp_path / "a" / "b.mp4"

    def interrupted():
        yield from noise(3)
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Footage(features("video"), {CAMERA: path}, 30) as footage,
    ):
        list(footage.taken(interrupted()))
    assert not path.exists()


@pytest.mark.parametrize(
    ("size", "row", "message"),
    [
        ((31, 48), {}, "even height and width, got 31 x 48"),
        ((32, 48), {CAMERA: np.zeros((32, 40, 3), np.uint8)}, r"uint8 of shape \(32, 48, 3\)"),
        ((32, 48), {CAMERA: np.zeros((32, 48, 3))}, "got float64"),
    ],
)
def test_what_is_no_such_picture_is_refused_and_leaves_no_file(tmp_path, size, row, message):
    path: Path = tmp_path / "a.mp4"
    with (
        pytest.raises(ConfigError, match=message),
        Footage(features("video", *size), {CAMERA: path}, 30) as footage,
    ):
        list(footage.taken([row]))
    assert not path.exists()
