"""Episodes as LeRobot writes them, in bulk.

LeRobot's own metadata and statistics are written, but not through `LeRobotDataset`: that writes
every picture to a file of its own and reads it twice, and maps over every row. It takes five times
as long, and goes on where the disk is full. A film of ours is of one episode.
"""

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import batched, chain
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.footage import Footage, encoder

Features = Mapping[str, Mapping[str, Any]]
Place = tuple[int, int]  # numbers of a chunk, which is a folder, and of a file in it
DATA, VIDEOS = "data", "videos"


def load_lerobot() -> None:
    """Import what appending takes, so that nobody waits for that at the end of an episode."""
    import av  # noqa: F401
    import datasets  # noqa: F401
    import lerobot.datasets.dataset_metadata  # noqa: F401


class Episodes:
    """A dataset's files, open for more."""

    def __init__(self, root: Path, fps: int, robot: str, features: Features) -> None:
        """Create the files, or open them to append.

        Args:
            root: Dataset folder, absolute.
            fps: Frames per second.
            robot: Robot name.
            features: LeRobot's description by name.
        """
        import av.logging
        from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
        from tqdm import tqdm

        av.logging.set_libav_level(av.logging.ERROR)  # else every video prints its statistics
        # Its own one is between processes, and left over by a process that ends at once.
        tqdm.set_lock(threading.RLock())
        name = f"local/{root.name}"
        self._features = features
        self._videos = [key for key, feature in features.items() if feature["dtype"] == "video"]
        if root.exists():
            self._meta = LeRobotDatasetMetadata(name, root)
        else:
            self._meta = LeRobotDatasetMetadata.create(
                name, fps, dict(features), robot, root, use_videos=bool(self._videos)
            )
        self._place = self._free(DATA)
        self._films = {key: self._free(f"{VIDEOS}/{key}") for key in self._videos}
        self._parquet: Any = None

    def add(self, frames: Iterable[dict[str, Any]], task: str) -> tuple[int, int]:
        """Append an episode; return its index and its number of frames."""
        from lerobot.datasets.compute_stats import compute_episode_stats
        from lerobot.datasets.feature_utils import get_hf_features_from_features

        meta = self._meta
        paths = {
            key: self._path(str(meta.video_path), place, video_key=key)
            for key, place in self._films.items()
        }
        with Footage(self._features, paths, meta.fps) as footage:
            columns = self._columns(footage.taken(frames))
        length = len(next(iter(columns.values())))
        index, start = meta.total_episodes, meta.total_frames
        numbers = np.arange(length)
        with _uninterrupted():
            meta.save_episode_tasks([task])
        columns |= {
            "timestamp": (numbers / meta.fps).astype(np.float32),
            "frame_index": numbers,
            "episode_index": np.full(length, index),
            "index": start + numbers,
            "task_index": np.full(length, meta.get_task_index(task)),
        }
        seen = footage.statistics()
        stats = compute_episode_stats(
            {k: columns[k] for k in columns if k not in seen}, meta.features
        )
        table = _table(columns, get_hf_features_from_features(meta.features))
        with _uninterrupted():
            self._write(table)
            for key in self._videos if not index else ():
                meta.update_video_info(key, encoder())
            meta.save_episode(index, length, [task], stats | seen, self._where(length / meta.fps))
            self._films = {key: self._next(place) for key, place in self._films.items()}
        return index, length

    def _columns(self, frames: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Return the columns; a row as a mapping takes ten times the memory of its numbers."""
        names = [name for name in self._features if name not in self._videos]
        listed = {name for name in names if self._features[name]["dtype"] in ("string", "image")}
        parts: dict[str, list[Any]] = {name: [] for name in names}
        for rows in batched(frames, 1000):
            for name in names:
                values = [row[name] for row in rows]
                parts[name].append(values if name in listed else np.stack(values))
        columns: dict[str, Any] = {}
        for name in names:
            if name in listed:
                columns[name] = list(chain.from_iterable(parts[name]))
                continue
            column = np.concatenate(parts[name])
            # LeRobot stores arrays of one element as scalars.
            single = self._features[name]["shape"] == (1,)
            columns[name] = column.reshape(-1) if single else column
        return columns

    def _write(self, table: Any) -> None:
        """Append to the open Parquet file."""
        import pyarrow.parquet as pq

        limit = self._meta.data_files_size_in_mb * 1e6
        if self._parquet is not None and Path(self._parquet.where).stat().st_size > limit:
            self._parquet.close()
            self._parquet = None
            self._place = self._next(self._place)
        if self._parquet is None:
            path = self._path(self._meta.data_path, self._place)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._parquet = pq.ParquetWriter(path, table.schema, compression="snappy")
        self._parquet.write_table(table)

    def _where(self, seconds: float) -> dict[str, Any]:
        """Return where an episode lies: its rows, and films that begin with it."""
        places = {DATA: self._place, **{f"{VIDEOS}/{key}": at for key, at in self._films.items()}}
        row: dict[str, Any] = {}
        for part, (chunk, file) in places.items():
            row |= {f"{part}/chunk_index": chunk, f"{part}/file_index": file}
        for key in self._films:
            row |= {
                f"{VIDEOS}/{key}/from_timestamp": 0.0,
                f"{VIDEOS}/{key}/to_timestamp": seconds,
            }
        return row

    def _path(self, template: str, place: Place, **names: str) -> Path:
        return self._meta.root / template.format(
            chunk_index=place[0], file_index=place[1], **names
        )

    def _free(self, part: str) -> Place:
        """Return the place after the one that the last episode lies in."""
        episodes = self._meta.episodes
        if episodes is None or not len(episodes):
            return 0, 0
        last = episodes[-1]
        return self._next((last[f"{part}/chunk_index"], last[f"{part}/file_index"]))

    def _next(self, place: Place) -> Place:
        from lerobot.datasets.utils import update_chunk_file_indices

        return update_chunk_file_indices(*place, self._meta.chunks_size)

    def close(self) -> None:
        """Complete the files."""
        if self._parquet is not None:
            self._parquet.close()
        self._meta.finalize()

    def abandon(self) -> None:
        """Write nothing more: the folder is to become what it was before."""
        # What LeRobot would write down when its object is collected.
        self._meta._metadata_buffer.clear()


def _table(columns: Mapping[str, Any], features: Any) -> Any:
    """Return what `datasets.Dataset.from_dict` makes, which looks at every element by itself.

    Args:
        columns: Arrays, and lists of texts, by name.
        features: `datasets.Features`, in the order of the columns.
    """
    import pyarrow as pa
    from datasets.features.features import numpy_to_pyarrow_listarray

    def column(values: Any, kind: pa.DataType) -> pa.Array:
        if isinstance(values, list) or values.ndim == 1:
            return pa.array(values, kind)
        if values.ndim == 2:
            flat = pa.array(values.ravel())
            return pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(kind)
        return pa.ExtensionArray.from_storage(kind, numpy_to_pyarrow_listarray(values))

    schema = features.arrow_schema
    arrays = [column(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let an interrupt wait until data and metadata say the same."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, frame: waiting.append(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:
        signal.raise_signal(waiting[0])
