"""What an interrupted writing session leaves in a dataset, and how it is taken back.

LeRobot keeps the Parquet files of a session open until they are complete, while its metadata count
episodes as they come. So a copy of `meta/` as it was when all files were complete lies in the
folder while a session runs, and whoever finds the copy without its writer puts it back.
"""

import shutil
import sys
from pathlib import Path

from robot_policies.data.dataset import file_of, listed_episodes, read_info, require_files
from robot_policies.interface import ConfigError

META, COMPLETE, PARTIAL = "meta", ".meta.complete", ".meta.complete.partial"


def keep_complete(root: Path) -> None:
    """Note that every file is complete now."""
    shutil.rmtree(root / PARTIAL, ignore_errors=True)
    shutil.copytree(root / META, root / PARTIAL)
    shutil.rmtree(root / COMPLETE, ignore_errors=True)
    (root / PARTIAL).rename(root / COMPLETE)


def forget_complete(root: Path) -> None:
    """End a session: there is nothing to take back."""
    shutil.rmtree(root / COMPLETE)


def is_interrupted(root: Path) -> bool:
    """Return whether a session has not ended; its writer may be at work still."""
    return (root / COMPLETE).exists()


def take_back(root: Path) -> None:
    """Remove what an interrupted session left incomplete, and say so; the caller has the lock.

    Episodes that can be read are kept.
    """
    shutil.rmtree(root / PARTIAL, ignore_errors=True)
    if not is_interrupted(root):
        return
    try:
        require_files(root, read_info(root))
    except ConfigError:
        _put_back(root)
    else:
        forget_complete(root)


def _put_back(root: Path) -> None:
    shutil.rmtree(root / META, ignore_errors=True)
    (root / COMPLETE).rename(root / META)  # needs no room on a full disk
    kept = read_info(root)["total_episodes"]
    complete = _files(root)
    incomplete = [
        path
        for pattern in ("data/*/*.parquet", "videos/*/*/*.mp4")
        for path in root.glob(pattern)
        if path not in complete
    ]
    for path in incomplete:
        path.unlink()
    # Nobody can read a dataset without episodes.
    for folder in ("images",) if kept else ("images", "data", "videos", META):
        shutil.rmtree(root / folder, ignore_errors=True)
    print(
        f"{root}: a writer was interrupted. {kept} episodes are complete and kept; files that it "
        f"left incomplete, and nobody can read, are removed: {len(incomplete)}",
        file=sys.stderr,
        flush=True,
    )


def _files(root: Path) -> set[Path]:
    """Return the files of the episodes that the metadata count."""
    info = read_info(root)
    videos = [key for key, feature in info["features"].items() if feature["dtype"] == "video"]
    files: set[Path] = set()
    for episode in listed_episodes(root, info):
        files.add(file_of(root, info["data_path"], episode, "data"))
        for key in videos:
            files.add(file_of(root, info["video_path"], episode, f"videos/{key}", key))
    return files
