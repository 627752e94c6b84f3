"""One episode of a LeRobotDataset v3 folder, read without LeRobot: Parquet, JSON and MP4."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.dataset import EPISODES, file_of, read_info
from robot_policies.interface import ConfigError


@dataclass(frozen=True, eq=False)
class LoggedEpisode:
    """An episode in memory; videos are decoded while it is played.

    Attributes:
        root: The dataset.
        fps: Rows per second.
        features: LeRobot's description (`dtype`, `shape`, `names`) by feature name.
        columns: Numbers and text by feature name. Shape (rows, ...) each.
        place: The episode's row of `meta/episodes`: where its video frames lie.
        video_path: Template of the video files.
    """

    root: Path
    fps: float
    features: Mapping[str, Mapping[str, Any]]
    columns: Mapping[str, Any]
    place: Mapping[str, Any]
    video_path: str

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.place["length"])

    def images(self, name: str) -> Iterator[np.ndarray]:
        """Decode a camera's images in order. Shape (height, width, 3) each, uint8 RGB."""
        import av

        if self.features[name]["dtype"] == "image":
            for picture in self.columns[name]:
                with av.open(BytesIO(picture["bytes"]), mode="r") as container:
                    yield next(container.decode(video=0)).to_ndarray(format="rgb24")
            return
        start = self.place[f"videos/{name}/from_timestamp"] - 0.5 / self.fps
        path = file_of(self.root, self.video_path, self.place, f"videos/{name}", name)
        # Absolute: what stands before a colon in a relative path is a protocol to FFmpeg.
        with av.open(str(path.absolute()), mode="r") as container:
            for frame in container.decode(video=0):
                if frame.time is not None and frame.time >= start:
                    yield frame.to_ndarray(format="rgb24")


def read_episode(root: Path, index: int) -> LoggedEpisode:
    """Read one episode.

    Args:
        root: The dataset.
        index: Episode number, from 0.

    Raises:
        ConfigError: If there is no such episode, or a file is missing or damaged.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    info = read_info(root)
    if not 0 <= index < info["total_episodes"]:
        raise ConfigError(
            f"{root}: no episode {index}; there are {info['total_episodes']}, from 0"
        )
    try:
        place = _place(root, index)
        path = file_of(root, info["data_path"], place, "data")
        table = pq.read_table(path, filters=[("episode_index", "=", index)])
    except (OSError, ArrowException, KeyError) as error:
        raise ConfigError(f"{root}: episode {index} cannot be read: {error}") from None
    if table.num_rows != place["length"]:
        raise ConfigError(
            f"{path}: {table.num_rows} rows of episode {index}, expected {place['length']}"
        )
    columns = {
        name: _column(table[name], info["features"].get(name, {})) for name in table.column_names
    }
    return LoggedEpisode(
        root, info["fps"], info["features"], columns, place, info.get("video_path") or ""
    )


def _place(root: Path, index: int) -> dict[str, Any]:
    import pyarrow.parquet as pq

    for path in sorted((root / EPISODES).glob("*/*.parquet")):
        for row in pq.read_table(path, filters=[("episode_index", "=", index)]).to_pylist():
            return row
    raise ConfigError(f"{root}: meta/episodes does not list episode {index}")


def _column(column: Any, feature: Mapping[str, Any]) -> Any:
    if feature.get("dtype") in ("string", "image"):
        return column.to_pylist()
    return _stacked(column.to_numpy(zero_copy_only=False))


def _stacked(rows: Any) -> np.ndarray:
    """Return rows, which may be rows of rows themselves, as one array."""
    rows = [np.asarray(row) for row in rows]
    return np.stack([_stacked(row) if row.dtype == object else row for row in rows])
