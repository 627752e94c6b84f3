"""LeRobotDataset v3 folders, as they lie on disk: read, checked, described."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.documents import MAX_BYTES, parse_json, read_json, read_statistics
from robot_policies.interface import ConfigError

ABOUT_FILE = Path("meta", "recordings.jsonl")
INFO, TASKS = Path("meta", "info.json"), Path("meta", "tasks.parquet")
STATS, EPISODES = Path("meta", "stats.json"), Path("meta", "episodes")
VERSION = "v3.0"
NEEDED = (  # of info.json
    ("fps", int | float, "a number > 0"),
    ("features", dict, "a mapping"),
    ("total_episodes", int, "a whole number"),
    ("total_frames", int, "a whole number"),
    ("data_path", str, "a text"),
)
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
        raise ConfigError(f"{root}: no LeRobotDataset: {error}") from None
    if info.get("codebase_version") != VERSION:
        raise ConfigError(
            f"{root}: LeRobotDataset {info.get('codebase_version')}, only {VERSION} is read"
        )
    for key, kind, meaning in NEEDED:
        if not isinstance(info.get(key), kind) or isinstance(info[key], bool):
            raise ConfigError(f"{root}: {INFO}: {key} is {info.get(key)!r}, expected {meaning}")
    if not 0.0 < info["fps"] < np.inf:
        raise ConfigError(f"{root}: {INFO}: fps is {info['fps']!r}, expected a number > 0")
    for name, feature in info["features"].items():
        if not isinstance(feature, dict) or not {"dtype", "shape"} <= feature.keys():
            raise ConfigError(f"{root}: {INFO}: feature '{name}' lacks dtype or shape")
    return info


def require_files(root: Path, info: Mapping[str, Any]) -> None:
    """See that every file a data set consists of is there and whole.

    LeRobot asks the hub for what is missing in a local folder, and appends to what is left.

    Args:
        root: The folder.
        info: As of `read_info`.

    Raises:
        ConfigError: Which file is missing, or damaged, or lacks rows.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    if not info["total_episodes"]:
        return  # LeRobot writes nothing else before the first
    for name in (TASKS, STATS):
        _require_file(root, root / name)
    listed: list[dict[str, Any]] = []
    videos = [name for name, f in info["features"].items() if f["dtype"] == "video"]
    parts = ["data", *(f"videos/{name}" for name in videos)]
    keys = [f"{part}/{place}_index" for part in parts for place in ("chunk", "file")]
    for path in sorted((root / EPISODES).glob("*/*.parquet")):
        try:
            listed += pq.read_table(path, columns=["length", *keys]).to_pylist()
        except (OSError, ValueError, ArrowException) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{root}: {path.relative_to(root)} is damaged: {reason}") from None
    if len(listed) < info["total_episodes"]:
        raise ConfigError(
            f"{root}: {EPISODES} lists {len(listed)} episodes, {INFO} counts "
            f"{info['total_episodes']}: a file of {EPISODES} is missing"
        )
    for key in videos:
        for path in {file_of(root, info["video_path"], e, f"videos/{key}", key) for e in listed}:
            _require_file(root, path)
    rows = 0
    for path in sorted({file_of(root, info["data_path"], episode, "data") for episode in listed}):
        _require_file(root, path)
        try:
            rows += pq.read_metadata(path).num_rows
        except (OSError, ArrowException) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{root}: {path.relative_to(root)} is damaged: {reason}") from None
    wanted = sum(episode["length"] for episode in listed)
    if rows < wanted:
        raise ConfigError(f"{root}: data/ holds {rows} rows, {EPISODES} counts {wanted}")


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
    import pyarrow.parquet as pq

    info = read_info(root)
    require_files(root, info)
    empty = not info["total_episodes"]
    stats = {} if empty else read_statistics(root / STATS)
    features = {}
    for name, feature in info["features"].items():
        if name in AUTOMATIC:
            continue
        kept = ("min", "max", "mean", "std")
        numbers = {k: np.ravel(v).tolist() for k, v in stats.get(name, {}).items() if k in kept}
        features[name] = {
            **{k: feature.get(k) for k in ("dtype", "shape", "names", "unit")},
            **numbers,
        }
    table = {} if empty else pq.read_table(root / TASKS).to_pydict()
    tasks = table.get("task", table.get("__index_level_0__", []))
    return {
        "path": str(root),
        "robot": info.get("robot_type"),
        "fps": info["fps"],
        "episodes": info["total_episodes"],
        "frames": info["total_frames"],
        "seconds": info["total_frames"] / info["fps"],
        "tasks": tasks,
        "features": features,
        "recordings": read_episodes(root),
    }
