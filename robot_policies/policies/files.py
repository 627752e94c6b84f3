"""Which files belong to a checkpoint: those that lie in its folder, and no other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_policies import documents
from robot_policies.interface import CheckpointError, ConfigError


@dataclass(frozen=True)
class CheckpointFiles:
    """The files of a checkpoint; whoever reads one asks here for it.

    Attributes:
        folder: The checkpoint.
    """

    folder: Path

    def __contains__(self, name: str) -> bool:
        """Return whether something of that name lies in the folder."""
        return (self.folder / name).exists()

    def path(self, name: Any) -> Path:
        """Return a file.

        The hub's cache keeps files as links into a store beside its snapshots; these count as own.

        Args:
            name: What a file of the checkpoint says: a plain name.

        Raises:
            CheckpointError: If it is no regular file, or lies elsewhere.
        """
        path = self.folder / str(name)
        if not isinstance(name, str) or path.name != name or "\\" in name or "\0" in name:
            raise CheckpointError(f"{self.folder}: {name!r} lies outside the checkpoint")
        if not path.is_file():
            raise CheckpointError(f"{self.folder}: {name} is missing, or no regular file")
        home = self.folder.resolve()
        stores = [above.parent / "blobs" for above in home.parents if above.name == "snapshots"]
        if path.resolve().parent not in (home, *stores):
            raise CheckpointError(f"{path} is a link that leaves the checkpoint")
        return path

    def json(self, name: str) -> dict[str, Any]:
        """Read a JSON object.

        Raises:
            CheckpointError: In one line, whatever is wrong with it.
        """
        try:
            return documents.read_json(self.path(name))
        except ConfigError as error:
            raise CheckpointError(str(error)) from None


def one_line(error: Exception) -> str:
    """Return what another library says, on one line of a bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."
