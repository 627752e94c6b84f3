"""LeRobotDataset v3 folders, as they lie on disk: read, checked, described."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError

ABOUT_FILE = Path("meta", "recordings.jsonl")
INFO = Path("meta", "info.json")
VERSION = "v3.0"
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
        ConfigError: If it is not there or of another version.
    """
    try:
        info = json.loads((root / INFO).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{root}: no LeRobotDataset: {INFO}: {error}") from None
    if info.get("codebase_version") != VERSION:
        raise ConfigError(
            f"{root}: LeRobotDataset {info.get('codebase_version')}, only {VERSION} is read"
        )
    return info


def read_episodes(root: Path) -> list[dict[str, Any]]:
    """Read `meta/recordings.jsonl`; empty for a dataset this package did not write."""
    path = root / ABOUT_FILE
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


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
    stats_path, tasks_path = root / "meta" / "stats.json", root / "meta" / "tasks.parquet"
    stats = json.loads(stats_path.read_text(encoding="utf-8")) if stats_path.exists() else {}
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
    tasks = []
    if tasks_path.exists():
        table = pq.read_table(tasks_path).to_pydict()
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
