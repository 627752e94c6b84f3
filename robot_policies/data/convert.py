"""Recordings into LeRobotDataset v3: spools of this package, bags, and the real Go1 logs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.dataset import AUTOMATIC, Conversion, describe
from robot_policies.data.go1_logs import convert_go1_logs
from robot_policies.data.lock import FolderLock
from robot_policies.data.spool import Spool, SpooledStep, Stream, Value, read_spool
from robot_policies.data.writer import DatasetFolder
from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.observation import IMAGES, TASK

__all__ = ["Conversion", "convert_bag", "convert_go1_logs", "convert_spool", "describe"]

STAMP = "capture_stamp"
STAMPED = ("observation.", "action")
NEXT_DONE, NEXT_SUCCESS, NEXT_REWARD = "next.done", "next.success", "next.reward"
REWARD = "truth.reward"
ABOUT: Mapping[str, Any] = {"robot": str, "task": str, "fps": int | float, "images": str}
RESULT = ("lacks", "metrics")  # mappings, where somebody said how it ended
MAX_RATE = 10_000  # rows/s; no robot is commanded more often


def convert_spool(
    source: Path, out: Path, progress: Callable[[int, int], None] | None = None
) -> Conversion:
    """Append recorded episodes to a LeRobotDataset v3; interrupted ones up to their last step.

    The spools are left as they are.

    Args:
        source: A spool (`.mcap`), or a folder of them.
        out: Dataset folder; appended to if it exists.
        progress: Called with the steps done and their total.

    Raises:
        ConfigError: If there is no spool, one is damaged, the features differ, or another process
            writes to the dataset.
        BackendError: If the disk is full.
    """
    source, out = Path(source), Path(out)
    paths = sorted(source.glob("*.mcap")) if source.is_dir() else [source]
    if not paths:
        raise ConfigError(f"{source}: no *.mcap in this folder")
    with FolderLock(out):
        return append_spools(paths, out, progress)


def append_spools(
    paths: Sequence[Path], out: Path, progress: Callable[[int, int], None] | None = None
) -> Conversion:
    """Do so for a caller that holds the lock of the dataset."""
    # All are checked before the first is written.
    return _append([read_spool(path) for path in paths], out, progress)


def convert_bag(
    source: Path,
    out: Path,
    robot: RobotSpec,
    progress: Callable[[int, int], None] | None = None,
    *,
    acted: bool = True,
) -> Conversion:
    """Append a bag of rosbag2 to a LeRobotDataset v3 as one episode, with pictures as they are.

    Args:
        source: The bag's folder, or an MCAP file.
        out: Dataset folder; appended to if it exists.
        robot: The bag's.
        progress: Called with the steps done and their total.
        acted: Whether the bag must have the commands that were sent.

    Raises:
        ConfigError: If the bag cannot be read or is of another robot, or the dataset of others.
        BackendError: If the disk is full.
    """
    from robot_policies.data.bag_episode import read_bag, require_actions

    episode = read_bag(Path(source), robot)
    if acted:
        require_actions(episode)
    with FolderLock(Path(out)):
        return _append([episode], Path(out), progress)


def _append(
    spools: Sequence[Spool], out: Path, progress: Callable[[int, int], None] | None
) -> Conversion:
    for spool in spools:
        _require_about(spool)
    total, done = sum(spool.length for spool in spools), count()
    folder: DatasetFolder | None = None
    features: Mapping[str, Any] = {}
    episodes = frames = 0
    notes: list[str] = []

    def reported(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            if progress is not None:
                progress(next(done), total)
            yield row

    try:
        for spool in spools:
            name = spool.path.name
            layout = _layout(spool) if spool.length else None
            if layout is None or layout.first + layout.rewarded >= spool.length:
                notes.append(f"{name}: {spool.length} complete steps, nothing to convert")
                continue
            notes += [f"{name}: {note}" for note in (*spool.notes, *layout.notes)]
            if folder is None or layout.features != features:
                if folder is not None:
                    folder.close()
                features = layout.features
                folder = DatasetFolder(out, spool.about["fps"], spool.about["robot"], features)
            about = {**spool.about, "result": dict(spool.result), "interrupted": not spool.result}
            about.pop("names")
            frames += folder.add(reported(_frames(spool, layout)), layout.task, about)
            episodes += 1
    finally:
        if folder is not None:
            folder.close()
    return Conversion(out, episodes, frames, tuple(notes))


def _require_about(spool: Spool) -> None:
    """Refuse a spool that does not say what every dataset says."""
    about, where = spool.about, f"{spool.path}: damaged"
    needed = {**ABOUT, "names": dict} if spool.length else ABOUT
    said = [(key, about.get(key), kind) for key, kind in needed.items()]
    said += [(key, spool.result.get(key, {}), dict) for key in RESULT]
    for key, value, kind in said:
        if not isinstance(value, kind):
            raise ConfigError(f"{where}: {key} is {value!r:.100}")
    if not 0.0 < about["fps"] <= MAX_RATE or about["fps"] is True:
        raise ConfigError(f"{where}: fps is {about['fps']!r}, expected at most {MAX_RATE:g}")
    for name, feature in about.get("names", {}).items():
        if not isinstance(feature, dict) or not all(map(_are_texts, feature.values())):
            raise ConfigError(f"{where}: {name} is described as {feature!r:.100}")
        if not feature.keys() <= {"names", "unit"}:
            raise ConfigError(f"{where}: {name} is described as {feature!r:.100}")
        if name in spool.streams:
            _require_length(spool.streams[name].last, feature, f"{where}: {name}")
    for name, stream in spool.streams.items():
        if name in AUTOMATIC:
            raise ConfigError(f"{where}: '{name}' is the name of a column of LeRobot's own")
        if name.startswith(IMAGES) and np.ndim(stream.last) not in (0, 3):
            raise ConfigError(f"{where}: {name} has shape {np.shape(stream.last)}, no picture's")


def _require_length(value: Value, feature: Mapping[str, Any], where: str) -> None:
    for key, texts in feature.items():
        if isinstance(value, np.ndarray) and value.ndim == 1 and len(texts) != len(value):
            raise ConfigError(f"{where} has {len(value)} elements and {len(texts)} in '{key}'")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


@dataclass(frozen=True, eq=False)
class _Layout:
    """How a spool becomes rows.

    Attributes:
        features: LeRobot's description of the columns.
        first: First step that has every column.
        task: The instruction.
        notes: What does not become part of the dataset.
    """

    features: Mapping[str, Mapping[str, Any]]
    first: int
    task: str
    notes: tuple[str, ...]

    @property
    def rewarded(self) -> bool:
        """Whether steps carry rewards; the last step then only gives the reward before it."""
        return NEXT_REWARD in self.features


def _layout(spool: Spool) -> _Layout:
    """Choose the columns: each needs one shape, and a value in each row."""
    notes: list[str] = []
    columns: dict[str, Stream] = {}
    for name, stream in spool.streams.items():
        if stream.seen != spool.length - 1:
            notes.append(f"{name}: not in the last step, left out of the dataset")
        elif len(stream.shapes) > 1:
            notes.append(f"{name}: its size changes during the episode, left out of the dataset")
        else:
            columns[name] = stream
    first = max(stream.since for stream in columns.values())
    if first:
        late = ", ".join(name for name, stream in columns.items() if stream.since == first)
        notes.append(f"the first {first} steps are left out: {late} came later")
    lacks = spool.result.get("lacks", {})
    notes += [f"{number} x {what} lost during the recording" for what, number in lacks.items()]
    values = {name: stream.last for name, stream in columns.items()}
    task = values.pop(TASK, "") or spool.about["task"]
    return _Layout(_features(spool, values), first, str(task), tuple(notes))


def _features(spool: Spool, columns: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    names = spool.about["names"]
    images = "video" if spool.about["images"] == "video" else "image"
    features: dict[str, dict[str, Any]] = {}
    for name, value in columns.items():
        if not isinstance(value, np.ndarray):
            features[name] = {"dtype": "string", "shape": [1], "names": None}
        elif name.startswith(IMAGES):
            axes = ["height", "width", "channels"]
            features[name] = {"dtype": images, "shape": list(value.shape), "names": axes}
        else:
            dtype = "float32" if value.dtype.kind == "f" else str(value.dtype)
            feature = {"dtype": dtype, "shape": list(value.shape), "names": None}
            features[name] = {**feature, **names.get(name, {})}
        if name.startswith(STAMPED):
            stamp = {"dtype": "float64", "shape": [1], "names": ["stamp"], "unit": ["s"]}
            features[stamp_name(name)] = stamp
    for name in (NEXT_DONE, NEXT_SUCCESS):
        features[name] = {"dtype": "bool", "shape": [1], "names": None}
    if REWARD in columns:
        features[NEXT_REWARD] = {"dtype": "float32", "shape": [1], "names": None}
    return features


def _frames(spool: Spool, layout: _Layout) -> Iterator[dict[str, Any]]:
    """Yield the rows; the reward of an action comes with the step after it."""
    success = bool(spool.result.get("metrics", {}).get("success", False))
    # An interrupted episode did not end, it was cut.
    ended = bool(spool.result)
    pending: SpooledStep | None = None
    for index, step in enumerate(spool.steps()):
        if pending is not None:
            done = ended and layout.rewarded and index == spool.length - 1
            yield _frame(pending, layout, step.values.get(REWARD), done, done and success)
        pending = step if index >= layout.first else None
    if pending is not None and not layout.rewarded:
        yield _frame(pending, layout, None, ended, ended and success)


def _frame(
    step: SpooledStep, layout: _Layout, reward: Any, done: bool, success: bool
) -> dict[str, Any]:
    frame: dict[str, Any] = {NEXT_DONE: [done], NEXT_SUCCESS: [success]}
    if layout.rewarded:
        frame[NEXT_REWARD] = np.atleast_1d(reward)
    for name in layout.features:
        if name in step.values:
            frame[name] = step.values[name]
            if stamp_name(name) in layout.features:
                frame[stamp_name(name)] = [step.stamps[name]]
    return frame


def stamp_name(name: str) -> str:
    """Return the column of a feature's capture stamps; `images` become `cameras` there.

    LeRobot takes every column with "image" in its name for one when it adds up statistics.
    """
    return f"{STAMP}.{name.replace('image', 'camera')}"
