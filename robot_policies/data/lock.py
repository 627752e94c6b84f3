"""Who writes to a folder: one process at a time, known by name."""

import fcntl
import os
import sys
from multiprocessing import parent_process
from pathlib import Path
from types import TracebackType

from robot_policies.interface import ConfigError


class FolderLock:
    """The right to write to a folder; it ends with its holder, however that ends.

    The lock is a file beside the folder, because a new data set's folder must not be there yet.
    """

    def __init__(self, root: Path) -> None:
        """Take the lock.

        Args:
            root: The folder; it need not exist.

        Raises:
            ConfigError: If another process holds it, which is named, or it cannot be written.
        """
        self._path = root.parent / f".{root.name}.lock"
        self._file: int | None = None
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            while self._file is None:
                self._file = self._take(root)
        except OSError as error:
            raise ConfigError(f"{root}: cannot be written: {error.strerror}") from None

    def _take(self, root: Path) -> int | None:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 1000).decode(errors="replace") or "another process"
            os.close(file)
            raise ConfigError(f"{root}: {holder} is writing to it") from None
        try:
            current = os.stat(self._path).st_ino
        except FileNotFoundError:
            current = None
        if os.fstat(file).st_ino != current:  # the holder before has just removed it
            os.close(file)
            return None
        os.truncate(file, 0)
        os.write(file, _who().encode())
        return file

    def release(self) -> None:
        """Let others write; may be called twice."""
        file, self._file = self._file, None
        if file is not None:
            self._path.unlink(missing_ok=True)
            os.close(file)

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _who() -> str:
    """Name this process, or the one that it watches for."""
    parent = parent_process()
    command = " ".join((Path(sys.argv[0]).name, *sys.argv[1:])) or "python"
    return f"process {parent.pid if parent else os.getpid()} ({command[:200]})"
