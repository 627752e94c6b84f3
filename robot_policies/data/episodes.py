"""Episodes as LeRobot writes them: with images through `LeRobotDataset`, others in bulk.

Episodes without images are written with LeRobot's own metadata and statistics, but at once:
`LeRobotDataset.save_episode` maps over every row to embed images that are not there, which makes
it five times slower.
"""

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import batched, chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Features = Mapping[str, Mapping[str, Any]]


def load_lerobot() -> None:
    """Import what appending takes, so that nobody waits for that at the end of an episode."""
    import datasets  # noqa: F401
    import lerobot.datasets.lerobot_dataset  # noqa: F401


class Episodes(Protocol):
    """A dataset's files, open for more."""

    def add(self, frames: Iterable[dict[str, Any]], task: str) -> tuple[int, int]:
        """Append an episode; return its index and its number of frames."""
        ...

    def close(self) -> None:
        """Complete the files."""
        ...

    def abandon(self) -> None:
        """Write nothing more: the folder is to become what it was before."""
        ...


class ImageEpisodes:
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
        """Append an episode; return its index and its number of frames."""
        index, length = self._dataset.meta.total_episodes, 0
        try:
            for frame in frames:
                self._dataset.add_frame({**frame, "task": task})
                length += 1
        except BaseException:
            self._dataset.clear_episode_buffer()  # or it would become part of the next one
            raise
        with _uninterrupted():
            # One process: forking a process that runs ROS threads can dead-lock.
            self._dataset.save_episode(parallel_encoding=False)
        return index, length

    def close(self) -> None:
        """Complete the files."""
        self._dataset.finalize()

    def abandon(self) -> None:
        """Write nothing more: the folder is to become what it was before."""
        _forget(self._dataset.meta)


class NumberEpisodes:
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
        """Append an episode; return its index and its number of frames."""
        from lerobot.datasets.compute_stats import compute_episode_stats
        from lerobot.datasets.feature_utils import get_hf_features_from_features

        meta = self._meta
        columns = self._columns(frames)
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
        stats = compute_episode_stats(columns, meta.features)
        schema = get_hf_features_from_features(meta.features)
        table = _table(columns, schema)
        with _uninterrupted():
            chunk, file = self._write(table)
            place = {"data/chunk_index": chunk, "data/file_index": file}
            meta.save_episode(index, length, [task], stats, place)
        return index, length

    def _columns(self, frames: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Return the columns; a row as a mapping takes ten times the memory of its numbers."""
        parts: dict[str, list[Any]] = {name: [] for name in self._features}
        for rows in batched(frames, 1000):
            for name, feature in self._features.items():
                values = [row[name] for row in rows]
                text = feature["dtype"] == "string"
                parts[name].append(values if text else np.stack(values))
        columns: dict[str, Any] = {}
        for name, feature in self._features.items():
            if feature["dtype"] == "string":
                columns[name] = list(chain.from_iterable(parts[name]))
                continue
            column = np.concatenate(parts[name])
            # LeRobot stores arrays of one element as scalars.
            columns[name] = column.reshape(-1) if feature["shape"] == (1,) else column
        return columns

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
        """Complete the files."""
        if self._parquet is not None:
            self._parquet.close()
        self._meta.finalize()

    def abandon(self) -> None:
        """Write nothing more: the folder is to become what it was before."""
        _forget(self._meta)


def _forget(meta: Any) -> None:
    """Forget the episodes that LeRobot would write down when its object is collected."""
    meta._metadata_buffer.clear()


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
