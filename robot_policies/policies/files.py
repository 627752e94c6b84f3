"""Which files belong to a checkpoint: those that lie in its folder, and no other."""

from pathlib import Path
from typing import Any

from robot_policies import documents
from robot_policies.interface import CheckpointError, ConfigError


def own_file(folder: Path, name: Any) -> Path:
    """Return a file of a checkpoint.

    The hub's cache keeps files as links into a store beside its snapshots; these count as own.

    Args:
        folder: The checkpoint.
        name: What a file of it says: a plain name.

    Raises:
        CheckpointError: If it is no regular file, or lies elsewhere.
    """
    path = folder / str(name)
    if not isinstance(name, str) or path.name != name or "\\" in name or "\0" in name:
        raise CheckpointError(f"{folder}: {name!r} lies outside the checkpoint")
    if not path.is_file():
        raise CheckpointError(f"{folder}: {name} is missing, or no regular file")
    home = folder.resolve()
    stores = [above.parent / "blobs" for above in home.parents if above.name == "snapshots"]
    if path.resolve().parent not in (home, *stores):
        raise CheckpointError(f"{path} is a link that leaves the checkpoint")
    return path


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON object of a checkpoint.

    Raises:
        CheckpointError: In one line, whatever is wrong with it.
    """
    try:
        return documents.read_json(own_file(folder, name))
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def one_line(error: Exception) -> str:
    """Return what another library says, on one line of a bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."
