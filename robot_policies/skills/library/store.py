"""Folders by kind, name and version, each of which comes and goes whole.

Whoever changes them holds a lock, so that two processes wait for each other. What an interrupted
one left is removed by the next.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from filelock import FileLock, Timeout

from robot_policies.interface import CheckpointError, ConfigError

INCOMING, REMOVED, LOCK = ".incoming-", ".removed-", ".lock"
PATIENCE = 60.0  # how long another process is waited for [s]


class Store:
    """Folders `<root>/<kind>/<name>/<version>`.

    Attributes:
        root: The folder of all; made when something is added.
    """

    def __init__(self, root: Path) -> None:
        """Nothing is read or made yet."""
        self.root = root
        self._lock = FileLock(root / LOCK, timeout=PATIENCE)

    def folders(self, kind: str, file: str) -> list[Path]:
        """Return the folders that hold a file of this name."""
        return sorted(path.parent for path in (self.root / kind).glob(f"*/*/{file}"))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep every other process from changing anything meanwhile.

        Raises:
            ConfigError: If nothing can be written there, or another process is not done in time.
        """
        first = not self._lock.is_locked
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise ConfigError(
                f"{self.root}: another process has been changing it for {PATIENCE:g} s"
            ) from None
        except OSError as error:
            raise ConfigError(f"{self.root}: {error.strerror}") from None
        try:
            if first:
                self._sweep()
            yield
        finally:
            self._lock.release()

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Make an empty folder in which something is checked before it is put in place."""
        with self.changing(), TemporaryDirectory(prefix=INCOMING, dir=self.root) as name:
            folder = Path(name) / "new"
            folder.mkdir()
            yield folder

    def put(self, folder: Path, kind: str, name: str, version: str) -> Path:
        """Move a folder in whole, in place of what an interrupted process left there.

        Raises:
            CheckpointError: If its place is reached through a link.
        """
        target = self.root / kind / name / version
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            self.take_out(target)
            target.parent.mkdir(exist_ok=True)
        self._check_inside(target)
        folder.rename(target)
        return target

    def take_out(self, folder: Path) -> None:
        """Remove a folder.

        Raises:
            CheckpointError: If it is gone, or reached through a link.
        """
        self._check_inside(folder)
        with self.changing():
            place = Path(mkdtemp(prefix=REMOVED, dir=self.root))
            try:
                folder.rename(place / "old")
            except FileNotFoundError:
                raise CheckpointError(f"{folder} is gone: another process removed it") from None
            finally:
                shutil.rmtree(place)
            with suppress(OSError):  # other versions are left
                folder.parent.rmdir()

    def _check_inside(self, folder: Path) -> None:
        if folder.is_symlink() or not folder.parent.resolve().is_relative_to(self.root.resolve()):
            raise CheckpointError(
                f"{folder} is reached through a link, and what lies outside the library is left "
                "alone; delete the link"
            )

    def _sweep(self) -> None:
        for prefix in (INCOMING, REMOVED):
            for path in self.root.glob(f"{prefix}*"):
                shutil.rmtree(path, ignore_errors=True)
