"""Shared memory that killed processes left behind: 35 MB of each node.

Fast DDS locks a file beside each segment while its owner lives. What is locked, or mapped by any
process, is in use and stays.

Reference: `fastdds shm clean`, which goes by the locks alone.
"""

import fcntl
import re
from pathlib import Path

FOLDER = Path("/dev/shm")
NAME = re.compile(r"fastdds_([0-9a-f]{16}|port\d+)")


def clean(folder: Path = FOLDER) -> list[str]:
    """Remove the segments of dead processes; return their names."""
    files = folder.iterdir() if folder.is_dir() else ()
    left = [path for path in files if NAME.fullmatch(path.name) and _is_left(path)]
    used = mapped(folder) if left else set()
    left = [path for path in left if path not in used]
    for path in left:
        semaphore = path.with_name(f"sem.{path.name}_mutex")
        for file in (path, *_locks(path), semaphore):
            file.unlink(missing_ok=True)
    return [path.name for path in left]


def mapped(folder: Path = FOLDER, processes: str = "*") -> set[Path]:
    """Return the files of a folder that processes have mapped.

    Args:
        folder: The folder.
        processes: Their number, or `*` for all that this user may look at.
    """
    found = set()
    pattern = re.compile(rf"{re.escape(str(folder))}/\S+")
    for maps in Path("/proc").glob(f"{processes}/maps"):
        try:
            text = maps.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has ended, or is somebody else's, who locks what is in use
        found |= {Path(name) for name in pattern.findall(text)}
    return found


def _locks(path: Path) -> list[Path]:
    names = (f"{path.name}_el", f"{path.name}_sl")
    return [lock for name in names if (lock := path.with_name(name)).exists()]


def _is_left(path: Path) -> bool:
    """Return whether nobody holds a lock; a port that nobody reads any more has none at all."""
    locks = _locks(path)
    return all(_is_free(lock) for lock in locks) and (bool(locks) or "port" in path.name)


def _is_free(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
