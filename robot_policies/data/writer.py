"""Writes LeRobotDataset v3 folders: created or appended to, never left half-written.

LeRobot keeps the Parquet files of a session open until `finalize`, so a process that dies while
it appends leaves files that cannot be read beside metadata that count them. `DatasetFolder` keeps
a copy of `meta/` until the new episodes are complete; the next one to open the folder takes an
interrupted session back. What LeRobot has no place for (seed, policy, result, ...) is one line
per episode in `meta/recordings.jsonl`.

Episodes with images are written by LeRobot. Those without are written in bulk, with LeRobot's
own metadata and statistics: `LeRobotDataset.save_episode` maps over every row to embed images
that are not there, which makes it five times slower.

Capture stamps are float64 seconds in the Parquet files. `LeRobotDataset[i]` turns every float
into float32, which is too coarse for a clock: read them with
`dataset.hf_dataset.with_format("numpy")`, or with pyarrow.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from robot_policies.data.dataset import ABOUT_FILE, AUTOMATIC, read_info, require_files
from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion

BACKUP = ".meta.complete"
IMAGES = ("image", "video")
Features = Mapping[str, Mapping[str, Any]]


class DatasetFolder:
    """A LeRobotDataset v3 folder that is being written."""

    def __init__(self, root: Path, fps: float, robot: str, features: Features) -> None:
        """Create the folder, or open it to append to it.

        Args:
            root: The folder.
            fps: Frames per second; LeRobot knows whole numbers only.
            robot: Robot name.
            features: LeRobot's description (`dtype`, `shape`, `names`, and our `unit`) by name.

        Raises:
            ConfigError: If the folder holds something else, or a dataset with other features.
        """
        if fps != round(fps):
            raise ConfigError(f"{root}: {fps:g} frames/s, but LeRobot stores whole numbers only")
        _undo_interrupted(root)
        if root.is_dir() and not any(root.iterdir()):
            root.rmdir()
        if root.exists():
            info = read_info(root)
            require_files(root, info)
            _check_same(root, info, round(fps), robot, features)
        features = {k: {**f, "shape": tuple(f["shape"])} for k, f in features.items()}
        self.root, self._features = root, features
        root.parent.mkdir(parents=True, exist_ok=True)
        images = any(feature["dtype"] in IMAGES for feature in features.values())
        writer = _ImageEpisodes if images else _NumberEpisodes
        if root.exists():
            _copy_meta(root)
        self._writer: _Episodes = writer(root, round(fps), robot, features)
        if not (root / BACKUP).exists():
            _copy_meta(root)
        self._about: list[Mapping[str, Any]] = []

    def add(self, frames: Iterable[Mapping[str, Any]], task: str, about: Mapping[str, Any]) -> int:
        """Append one episode frame by frame and return its number of frames.

        Args:
            frames: Values by feature name; converted to the features' dtypes.
            task: The instruction.
            about: Kept in `meta/recordings.jsonl`.
        """
        index, length = self._writer.add(map(self._typed, frames), task)
        self._about.append({"episode_index": index, "length": length, **about})
        return length

    def add_columns(
        self, columns: Mapping[str, np.ndarray], task: str, about: Mapping[str, Any]
    ) -> int:
        """Append one episode without images at once and return its number of frames.

        Args:
            columns: Array by feature name. Shape (frames, ...).
            task: The instruction.
            about: Kept in `meta/recordings.jsonl`.
        """
        rows = (
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        )
        return self.add(rows, task, about)

    def _typed(self, frame: Mapping[str, Any]) -> dict[str, Any]:
        typed = {}
        for name, value in frame.items():
            dtype = self._features[name]["dtype"]
            keep = dtype == "string" or dtype in IMAGES
            typed[name] = value if keep else np.asarray(value, dtype)
        return typed

    def close(self) -> None:
        """Complete the files; what was added counts from here on."""
        self._writer.close()
        with (self.root / ABOUT_FILE).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in self._about)
        shutil.rmtree(self.root / BACKUP)


class _Episodes(Protocol):
    def add(self, frames: Iterable[dict[str, Any]], task: str) -> tuple[int, int]:
        """Append an episode; return its index and its number of frames."""
        ...

    def close(self) -> None:
        """Complete the files."""
        ...


class _ImageEpisodes:
    """Episodes with images, through `LeRobotDataset`."""

    def __init__(self, root: Path, fps: int, robot: str, features: Features) -> None:
        import av.logging
        import datasets
        from lerobot.configs import RGBEncoderConfig
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        av.logging.set_libav_level(av.logging.ERROR)  # else every video prints its statistics
        datasets.disable_progress_bars()
        # H.264 rather than LeRobot's AV1: every player reads it, and it encodes twice as fast.
        # No streaming encoder: it drops frames when it cannot keep up.
        encoder = RGBEncoderConfig(vcodec="h264")
        name = f"local/{root.name}"
        if root.exists():
            self._dataset = LeRobotDataset.resume(
                name, root=root, rgb_encoder=encoder, video_backend="pyav"
            )
        else:
            self._dataset = LeRobotDataset.create(
                name,
                fps,
                dict(features),
                root=root,
                robot_type=robot,
                rgb_encoder=encoder,
                video_backend="pyav",
            )

    def add(self, frames: Iterable[dict[str, Any]], task: str) -> tuple[int, int]:
        index, length = self._dataset.meta.total_episodes, 0
        for frame in frames:
            self._dataset.add_frame({**frame, "task": task})
            length += 1
        # One process: forking a process that runs ROS threads can dead-lock.
        self._dataset.save_episode(parallel_encoding=False)
        return index, length

    def close(self) -> None:
        self._dataset.finalize()


class _NumberEpisodes:
    """Episodes without images, in bulk."""

    def __init__(self, root: Path, fps: int, robot: str, features: Features) -> None:
        from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
        from lerobot.datasets.utils import update_chunk_file_indices

        name = f"local/{root.name}"
        self._place = 0, 0  # chunk, file
        if root.exists():
            self._meta = LeRobotDatasetMetadata(name, root)
            if self._meta.episodes is not None and len(self._meta.episodes):
                last = self._meta.episodes[-1]
                self._place = update_chunk_file_indices(
                    last["data/chunk_index"], last["data/file_index"], self._meta.chunks_size
                )
        else:
            self._meta = LeRobotDatasetMetadata.create(
                name, fps, dict(features), robot, root, use_videos=False
            )
        self._features = features
        self._parquet: Any = None

    def add(self, frames: Iterable[dict[str, Any]], task: str) -> tuple[int, int]:
        import datasets
        from lerobot.datasets.compute_stats import compute_episode_stats
        from lerobot.datasets.feature_utils import get_hf_features_from_features

        rows = list(frames)
        meta, length = self._meta, len(rows)
        index, start = meta.total_episodes, meta.total_frames
        meta.save_episode_tasks([task])
        numbers = np.arange(length)
        columns: dict[str, Any] = {
            "timestamp": (numbers / meta.fps).astype(np.float32),
            "frame_index": numbers,
            "episode_index": np.full(length, index),
            "index": start + numbers,
            "task_index": np.full(length, meta.get_task_index(task)),
        }
        for name, feature in self._features.items():
            values = [row[name] for row in rows]
            if feature["dtype"] == "string":
                columns[name] = values
                continue
            column = np.stack(values)
            # LeRobot stores arrays of one element as scalars.
            columns[name] = column.reshape(length) if feature["shape"] == (1,) else column
        stats = compute_episode_stats(columns, meta.features)
        schema = get_hf_features_from_features(meta.features)
        ordered = {name: columns[name] for name in schema}
        table = datasets.Dataset.from_dict(ordered, features=schema).with_format("arrow")[:]
        chunk, file = self._write(table)
        place = {"data/chunk_index": chunk, "data/file_index": file}
        meta.save_episode(index, length, [task], stats, place)
        return index, length

    def _write(self, table: Any) -> tuple[int, int]:
        """Append to the open Parquet file; return its chunk and file index."""
        import pyarrow.parquet as pq
        from lerobot.datasets.utils import update_chunk_file_indices

        limit = self._meta.data_files_size_in_mb * 1e6
        if self._parquet is not None and Path(self._parquet.where).stat().st_size > limit:
            self._parquet.close()
            self._parquet = None
            self._place = update_chunk_file_indices(*self._place, self._meta.chunks_size)
        if self._parquet is None:
            chunk, file = self._place
            path = self._meta.root / self._meta.data_path.format(
                chunk_index=chunk, file_index=file
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            self._parquet = pq.ParquetWriter(path, table.schema, compression="snappy")
        self._parquet.write_table(table)
        return self._place

    def close(self) -> None:
        if self._parquet is not None:
            self._parquet.close()
        self._meta.finalize()


def _check_same(
    root: Path, info: Mapping[str, Any], fps: int, robot: str, features: Features
) -> None:
    for what, mine, theirs in (
        ("frames/s", fps, info["fps"]),
        ("robot", robot, info.get("robot_type")),
    ):
        if mine != theirs:
            raise ConfigError(f"{root}: {what} {theirs}, the new episode has {mine}")
    known = {k: v for k, v in info["features"].items() if k not in AUTOMATIC}
    for name in (*features, *(name for name in known if name not in features)):
        if name not in known:
            raise ConfigError(
                f"{root}: the new episode's '{name}' is not in this dataset."
                f"{suggestion(name, known)}"
            )
        if name not in features:
            raise ConfigError(f"{root}: the new episode lacks the dataset's '{name}'")
        for key in ("dtype", "shape", "names"):
            new, old = json.loads(json.dumps(features[name].get(key))), known[name].get(key)
            if new != old:
                raise ConfigError(f"{root}: '{name}' has {key} {old}, in the new episode {new}")


def _copy_meta(root: Path) -> None:
    partial = root / f"{BACKUP}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(root / "meta", partial)
    partial.rename(root / BACKUP)


def _undo_interrupted(root: Path) -> None:
    """Take back a session that did not reach `close`: its metadata, then its orphaned files."""
    import pyarrow.parquet as pq

    backup = root / BACKUP
    if not backup.exists():
        return
    shutil.rmtree(root / "meta", ignore_errors=True)
    shutil.copytree(backup, root / "meta")
    info = read_info(root)
    kept: set[Path] = set()
    for path in sorted((root / "meta" / "episodes").glob("*/*.parquet")):
        for episode in pq.read_table(path).to_pylist():
            kept.add(_file(root, info["data_path"], episode, "data"))
            kept |= {
                _file(root, info["video_path"], episode, f"videos/{key}", video_key=key)
                for key, feature in info["features"].items()
                if feature["dtype"] == "video"
            }
    for pattern in ("data/*/*.parquet", "videos/*/*/*.mp4"):
        for path in root.glob(pattern):
            if path not in kept:
                path.unlink()
    shutil.rmtree(root / "images", ignore_errors=True)
    shutil.rmtree(backup)


def _file(root: Path, template: str, episode: Mapping[str, Any], of: str, **names: str) -> Path:
    chunk, file = episode[f"{of}/chunk_index"], episode[f"{of}/file_index"]
    return root / template.format(chunk_index=chunk, file_index=file, **names)
