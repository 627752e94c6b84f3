"""One episode of a LeRobotDataset v3 folder, read without LeRobot: Parquet, JSON and MP4."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.dataset import (
    EPISODES,
    file_of,
    listed_episodes,
    read_info,
    stored_features,
)
from robot_policies.data.parquet import EPISODE_INDEX, read_columns
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
        """Decode a camera's images in order. Shape (height, width, 3) each, uint8 RGB.

        Raises:
            ConfigError: If a row has none, or it is damaged or not of the size that is said.
        """
        from av.error import FFmpegError

        count, shape = 0, self.features[name]["shape"]
        try:
            for frame in islice(self._frames(name), len(self)):
                if 3 * frame.width * frame.height != prod(shape):
                    size = f"{frame.width}x{frame.height}"
                    raise ValueError(f"is {size}, expected shape {list(shape)}")
                yield frame.to_ndarray(format="rgb24")
                count += 1
            if count < len(self):
                raise ValueError("is missing")
        except (FFmpegError, ValueError, TypeError, KeyError, StopIteration) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{self.root}: picture {count} of '{name}': {reason}") from None

    def _frames(self, name: str) -> Iterator[Any]:
        import av

        if self.features[name]["dtype"] == "image":
            for picture in self.columns[name]:
                with av.open(BytesIO(picture["bytes"]), mode="r") as container:
                    yield from islice(container.decode(video=0), 1)
            return
        start = self.place[f"videos/{name}/from_timestamp"] - 0.5 / self.fps
        path = file_of(self.root, self.video_path, self.place, f"videos/{name}", name)
        # Absolute: what stands before a colon in a relative path is a protocol to FFmpeg.
        with av.open(str(path.absolute()), mode="r") as container:
            for frame in container.decode(video=0):
                if frame.time is not None and frame.time >= start:
                    yield frame


def read_episode(root: Path, index: int) -> LoggedEpisode:
    """Read one episode.

    Args:
        root: The dataset.
        index: Episode number, from 0.

    Raises:
        ConfigError: If there is no such episode, or a file is missing or damaged.
    """
    info = read_info(root)
    if not 0 <= index < info["total_episodes"]:
        raise ConfigError(
            f"{root}: no episode {index}; there are {info['total_episodes']}, from 0"
        )
    listed = [e for e in listed_episodes(root, info) if e[EPISODE_INDEX] == index]
    if len(listed) != 1:
        raise ConfigError(f"{root}: {EPISODES} lists episode {index} {len(listed)} times")
    path = file_of(root, info["data_path"], listed[0], "data")
    columns = read_columns(path, stored_features(info), index)
    rows = {len(column) for column in columns.values()}
    if rows != {listed[0]["length"]}:
        raise ConfigError(
            f"{path}: {max(rows)} rows of episode {index}, expected {listed[0]['length']}"
        )
    return LoggedEpisode(
        root, info["fps"], info["features"], columns, listed[0], info.get("video_path", "")
    )
