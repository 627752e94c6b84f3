"""LeRobotDataset v3 folders, as they lie on disk: read, checked, described."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.bag_file import is_bag
from robot_policies.data.parquet import EPISODE_INDEX, count_rows, read_columns, read_texts
from robot_policies.documents import MAX_BYTES, parse_json, read_json, read_statistics
from robot_policies.interface import ConfigError

ABOUT_FILE = Path("meta", "recordings.jsonl")
INFO, TASKS = Path("meta", "info.json"), Path("meta", "tasks.parquet")
STATS, EPISODES = Path("meta", "stats.json"), Path("meta", "episodes")
VERSION = "v3.0"
NEEDED = (  # of info.json
    ("fps", int | float, "a number > 0"),
    ("features", dict, "a mapping"),
    ("total_episodes", int, "a count"),
    ("total_frames", int, "a count"),
    ("data_path", str, "a text"),
)
COUNTS = ("total_episodes", "total_frames", "total_tasks")
AUTOMATIC = ("timestamp", "frame_index", "episode_index", "index", "task_index")  # LeRobot's own


@dataclass(frozen=True)
class Conversion:
    """What a conversion wrote.

    Attributes:
        dataset: The folder.
        episodes: Episodes added.
        frames: Frames added.
        notes: What a reader of the data should know, one line each.
    """

    dataset: Path
    episodes: int
    frames: int
    notes: tuple[str, ...] = ()


def read_info(root: Path) -> dict[str, Any]:
    """Read `meta/info.json` of a LeRobotDataset v3 folder.

    Raises:
        ConfigError: If it is not there, is of another version, or lacks what every reader needs.
    """
    try:
        info = read_json(root / INFO)
    except ConfigError as error:
        if is_bag(root):
            text = "a bag, no LeRobotDataset; `robot-policies data convert` makes one of it"
            raise ConfigError(f"{root}: {text}") from None
        raise ConfigError(f"{root}: no LeRobotDataset: {error}") from None
    if info.get("codebase_version") != VERSION:
        raise ConfigError(
            f"{root}: LeRobotDataset {info.get('codebase_version')}, only {VERSION} is read"
        )
    for key, kind, meaning in NEEDED:
        if not isinstance(info.get(key), kind) or isinstance(info[key], bool):
            raise ConfigError(f"{root}: {INFO}: {key} is {info.get(key)!r}, expected {meaning}")
    for key in COUNTS:
        if key in info and (type(info[key]) is not int or info[key] < 0):
            raise ConfigError(f"{root}: {INFO}: {key} is {info[key]!r:.100}, expected a count")
    if not 0.0 < info["fps"] < np.inf:
        raise ConfigError(f"{root}: {INFO}: fps is {info['fps']!r}, expected a number > 0")
    for name, feature in info["features"].items():
        if not isinstance(feature, dict) or not {"dtype", "shape"} <= feature.keys():
            raise ConfigError(f"{root}: {INFO}: feature '{name}' lacks dtype or shape")
        dtype, shape = feature["dtype"], feature["shape"]
        numbers = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if not isinstance(dtype, str) or not numbers:
            raise ConfigError(
                f"{root}: {INFO}: feature '{name}' has dtype {dtype!r} and shape {shape!r}, "
                "expected a text and a list of whole numbers"
            )
        if not _are_names(feature.get("names")):
            raise ConfigError(
                f"{root}: {INFO}: feature '{name}' has names {feature['names']!r:.100}, expected "
                "a list of texts, lists by group, or null"
            )
    if _videos(info) and not isinstance(info.get("video_path"), str):
        raise ConfigError(
            f"{root}: {INFO}: video_path is {info.get('video_path')!r}, expected a text"
        )
    return info


def _are_names(names: Any) -> bool:
    groups = list(names.values()) if isinstance(names, dict) else [names or []]
    return all(isinstance(g, list) and all(isinstance(n, str) for n in g) for g in groups)


def require_files(root: Path, info: Mapping[str, Any]) -> None:
    """See that every file a data set consists of is there and whole.

    LeRobot asks the hub for what is missing in a local folder, and appends to what is left.

    Args:
        root: The folder.
        info: As of `read_info`.

    Raises:
        ConfigError: Which file is missing, or damaged, or lacks rows.
    """
    if not info["total_episodes"]:
        return  # LeRobot writes nothing else before the first
    for name in (TASKS, STATS):
        _require_file(root, root / name)
    listed = listed_episodes(root, info)
    if len(listed) < info["total_episodes"]:
        raise ConfigError(
            f"{root}: {EPISODES} lists {len(listed)} episodes, {INFO} counts "
            f"{info['total_episodes']}: a file of {EPISODES} is missing"
        )
    for key in _videos(info):
        for path in {file_of(root, info["video_path"], e, f"videos/{key}", key) for e in listed}:
            _require_file(root, path)
    stored, rows = stored_features(info), 0
    for path in sorted({file_of(root, info["data_path"], episode, "data") for episode in listed}):
        _require_file(root, path)
        rows += count_rows(path, stored)
    wanted = sum(episode["length"] for episode in listed)
    if rows < wanted:
        raise ConfigError(f"{root}: data/ holds {rows} rows, {EPISODES} counts {wanted}")


def listed_episodes(root: Path, info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each episode's number, length and place: in which files, and where in its films.

    Args:
        root: The folder.
        info: As of `read_info`.

    Raises:
        ConfigError: If a file of the list is damaged, or says what cannot be.
    """
    videos = [f"videos/{name}" for name in _videos(info)]
    whole = [EPISODE_INDEX, "length"]
    whole += [f"{part}/{n}_index" for part in ("data", *videos) for n in ("chunk", "file")]
    number = {"shape": [1]}
    wanted = {name: {"dtype": "int64", **number} for name in whole}
    wanted |= {f"{part}/from_timestamp": {"dtype": "float64", **number} for part in videos}
    listed: list[dict[str, Any]] = []
    for path in sorted((root / EPISODES).glob("*/*.parquet")):
        columns = read_columns(path, wanted)
        for name, column in columns.items():
            if not (np.isfinite(column) & (column >= 0)).all():
                raise ConfigError(f"{path}: '{name}' holds {column.min():g}, expected >= 0")
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        listed += [dict(zip(columns, row, strict=True)) for row in rows]
    return listed


def stored_features(info: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the features that lie in the files of rows: all but films."""
    return {name: f for name, f in info["features"].items() if f["dtype"] != "video"}


def _videos(info: Mapping[str, Any]) -> list[str]:
    return [name for name, feature in info["features"].items() if feature["dtype"] == "video"]


def file_of(
    root: Path, template: str, episode: Mapping[str, Any], of: str, video: str = ""
) -> Path:
    """Return the file that a part of an episode lies in.

    Args:
        root: The data set.
        template: `data_path` or `video_path` of `meta/info.json`.
        episode: The episode's row of `meta/episodes`.
        of: `data` or `videos/<camera>`.
        video: The camera.

    Raises:
        ConfigError: If the template is none, or leads out of the folder.
    """
    place = {name: int(episode[f"{of}/{name}"]) for name in ("chunk_index", "file_index")}
    try:
        if re.search(r"\{[^}]*\d{3}", template):
            raise ValueError("a field is 100 characters wide or more")
        path = Path(template.format(video_key=video, **place))
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{root}: {INFO}: path '{template}': {error!r}") from None
    if path.is_absolute() or ".." in path.parts:
        raise ConfigError(f"{root}: {INFO}: path '{template}' leads out of the folder")
    return root / path


def _require_file(root: Path, path: Path) -> None:
    if not path.is_file():
        raise ConfigError(
            f"{root}: {path.relative_to(root)} is missing; the data set is not whole"
        )


def read_episodes(root: Path) -> list[dict[str, Any]]:
    """Read `meta/recordings.jsonl`; empty for a dataset this package did not write.

    Raises:
        ConfigError: If a line is damaged.
    """
    path = root / ABOUT_FILE
    if not path.exists():
        return []
    recordings = []
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_BYTES):
                about = parse_json(line.decode(), measured=True)
                if not isinstance(about, dict) or type(about.get("episode_index")) is not int:
                    raise ValueError("expected a JSON object with an episode_index")
                recordings.append(about)
    except (OSError, ValueError) as error:
        where = f"{root}: {ABOUT_FILE}, line {len(recordings) + 1}"
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None
    return recordings


def describe(root: Path) -> dict[str, Any]:
    """Return what a dataset holds, as JSON-serialisable data.

    Args:
        root: A LeRobotDataset v3 folder.

    Returns:
        `robot`, `fps`, `episodes`, `frames`, `seconds`, `tasks` (list), `features` (name to
        `dtype`, `shape`, `names`, `unit` and, for numbers, `min`, `max`, `mean`, `std` per
        element) and `recordings` (one mapping per episode).

    Raises:
        ConfigError: If it is no such folder.
    """
    info = read_info(root)
    require_files(root, info)
    empty = not info["total_episodes"]
    stats = {} if empty else read_statistics(root / STATS)
    features = {}
    kept = ("min", "max", "mean", "std")
    for name, feature in info["features"].items():
        if name in AUTOMATIC:
            continue
        try:
            entry = stats.get(name, {}).items()
            numbers = {k: np.ravel(np.float64(v)).tolist() for k, v in entry if k in kept}
        except (AttributeError, TypeError, ValueError):
            raise ConfigError(f"{root}: {STATS}: '{name}' holds what are no numbers") from None
        features[name] = {
            **{k: feature.get(k) for k in ("dtype", "shape", "names", "unit")},
            **numbers,
        }
    return {
        "path": str(root),
        "robot": info.get("robot_type"),
        "fps": info["fps"],
        "episodes": info["total_episodes"],
        "frames": info["total_frames"],
        "seconds": info["total_frames"] / info["fps"],
        "tasks": [] if empty else read_texts(root / TASKS, ("task", "__index_level_0__")),
        "features": features,
        "recordings": read_episodes(root),
    }
