"""Shared memory that killed processes left behind: 35 MB of each node.

Fast DDS locks a file beside each segment while its owner lives. What is locked, or mapped by any
process, is in use and stays.

Reference: `fastdds shm clean`, which goes by the locks alone.
"""

import fcntl
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

FOLDER = Path("/dev/shm")
NAME = re.compile(r"fastdds_([0-9a-f]{16}|port\d+)")


def clean(folder: Path = FOLDER) -> list[str]:
    """Remove the segments of dead processes; return their names."""
    files = folder.iterdir() if folder.is_dir() else ()
    free = [path for path in files if NAME.fullmatch(path.name) and _is_free(path)]
    used = mapped(folder) if free else set()
    removed = []
    for path in sorted(set(free) - used):
        with _held(path) as locks:  # it may have been taken since, and is not while it is removed
            if locks is not None:
                for file in (path, *locks, path.with_name(f"sem.{path.name}_mutex")):
                    file.unlink(missing_ok=True)
                removed.append(path.name)
    return removed


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


def _is_free(path: Path) -> bool:
    with _held(path) as locks:
        return locks is not None


@contextmanager
def _held(path: Path) -> Iterator[list[Path] | None]:
    """Hold the locks of a segment, and say which; `None` if it is somebody else's.

    A port that nobody reads any more has no lock at all.
    """
    with ExitStack() as stack:
        yield _take(path, stack)


def _take(path: Path, stack: ExitStack) -> list[Path] | None:
    names = (f"{path.name}_el", f"{path.name}_sl")
    locks = [lock for name in names if (lock := path.with_name(name)).exists()]
    try:
        for lock in locks:
            fcntl.flock(stack.enter_context(lock.open("rb")), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    return locks if locks or "port" in path.name else None
