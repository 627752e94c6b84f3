"""Writes LeRobotDataset v3 folders: created or appended to, never left half-written.

What is added counts when the files are completed: at the end, every `SESSION` frames, and where an
error or an interrupt ends the writer. What a killed writer leaves is taken back by the next one
(`interrupted.py`). What LeRobot has no place for (seed, policy, result, ...) is one line per
episode in `meta/recordings.jsonl`.

Capture stamps are float64 seconds in the Parquet files. `LeRobotDataset[i]` turns every float
into float32, which is too coarse for a clock: read them with
`dataset.hf_dataset.with_format("numpy")`, or with pyarrow.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.appending import check_same, require_whole
from robot_policies.data.dataset import ABOUT_FILE, INFO, read_info, require_files
from robot_policies.data.episodes import Episodes, Features
from robot_policies.data.interrupted import (
    forget_complete,
    is_interrupted,
    keep_complete,
    take_back,
)
from robot_policies.interface import BackendError

SESSION = 500  # frames after which the files are completed, and what was added is safe
PICTURES = ("image", "video")


class DatasetFolder:
    """A LeRobotDataset v3 folder that is being written; its caller holds the lock."""

    def __init__(self, root: Path, fps: float, robot: str, features: Features) -> None:
        """Create the folder, or open it to append to it.

        Args:
            root: The folder.
            fps: Frames per second; LeRobot knows whole numbers only.
            robot: Robot name.
            features: LeRobot's description (`dtype`, `shape`, `names`, and our `unit`) by name.

        Raises:
            ConfigError: If the folder holds something else, or a dataset with other features.
            BackendError: If the disk is full.
        """
        require_whole(root, fps)
        take_back(root)
        if root.is_dir() and not any(root.iterdir()):
            root.rmdir()
        if root.exists():
            info = read_info(root)
            require_files(root, info)
            check_same(root, info, round(fps), robot, features)
        features = {k: {**f, "shape": tuple(f["shape"])} for k, f in features.items()}
        self.root, self._features = root, features
        self._fps, self._robot = round(fps), robot
        with self._taken_back_when_full():
            root.parent.mkdir(parents=True, exist_ok=True)
            self._open()

    def _open(self) -> None:
        if self.root.exists():
            keep_complete(self.root)
        # Absolute: what stands before a colon in a relative path is a protocol to FFmpeg.
        root = self.root.absolute()
        self._writer: Episodes | None = Episodes(root, self._fps, self._robot, self._features)
        if not is_interrupted(self.root):
            keep_complete(self.root)
        self._about: list[Mapping[str, Any]] = []
        self._frames = 0

    def __enter__(self) -> "DatasetFolder":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def add(self, frames: Iterable[Mapping[str, Any]], task: str, about: Mapping[str, Any]) -> int:
        """Append one episode frame by frame and return its number of frames.

        Args:
            frames: Values by feature name; converted to the features' dtypes.
            task: The instruction.
            about: Kept in `meta/recordings.jsonl`.

        Raises:
            BackendError: If the disk is full. What was not complete is taken back.
        """
        with self._taken_back_when_full():
            if self._writer is None or self._frames >= SESSION:
                self._complete()
                self._open()
            assert self._writer is not None
            index, length = self._writer.add(map(self._typed, frames), task)
        self._about.append({"episode_index": index, "length": length, **about})
        self._frames += length
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
            keep = dtype == "string" or dtype in PICTURES
            typed[name] = value if keep else np.asarray(value, dtype)
        return typed

    def close(self) -> None:
        """Complete the files; what was added counts from here on. May be called twice.

        Raises:
            BackendError: If the disk is full. What was not complete is taken back.
        """
        with self._taken_back_when_full():
            self._complete()

    def _complete(self) -> None:
        if self._writer is None:
            return
        # Before the rest, so that there is none without its line.
        with (self.root / ABOUT_FILE).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in self._about)
        self._about = []
        self._writer.close()
        self._writer = None
        forget_complete(self.root)

    @contextmanager
    def _taken_back_when_full(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.abandon()
            take_back(self.root)
            reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
            kept = read_info(self.root)["total_episodes"] if (self.root / INFO).exists() else 0
            raise BackendError(f"{self.root}: {reason}; {kept} episodes are kept") from None
