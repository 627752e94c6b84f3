"""Skills read again only where a file of theirs has changed.

A running robot changes weights more often than skills, and reading takes the interpreter from who
acts.
"""

from collections.abc import Sequence
from pathlib import Path

from robot_policies.skills.package.base import SkillBase
from robot_policies.skills.package.skill import Skill, read_skill

Marks = tuple[tuple[str | int, ...], ...]


class SkillReader:
    """Reads skills of one base, and remembers those it was last asked for."""

    def __init__(self) -> None:
        """Remember nothing."""
        self._known: dict[Path, tuple[Marks, Skill]] = {}

    def read(
        self, folders: Sequence[Path], base: SkillBase, trusted: Sequence[str] = ()
    ) -> list[Skill]:
        """Return skills, each checked in every respect since it was last written to.

        Args:
            folders: One for each skill.
            base: What they are added to; the same in every call.
            trusted: Public keys, see `read_skill`.

        Raises:
            CheckpointError: See `read_skill`.
        """
        known, self._known = self._known, {}
        for folder in folders:
            before = _marks(folder, trusted)
            found = known.get(folder)
            if found is None or found[0] != before:
                found = before, read_skill(folder, base, trusted)
            self._known[folder] = found
        return [self._known[folder][1] for folder in folders]


def _marks(folder: Path, trusted: Sequence[str]) -> Marks:
    """Return what changes with any file: the time of its last change cannot be set back."""
    if not folder.is_dir():
        return ()
    files = ((path.name, path.lstat()) for path in sorted(folder.iterdir()))
    marks = [(name, s.st_ino, s.st_size, s.st_ctime_ns) for name, s in files]
    return (*marks, tuple(trusted))
