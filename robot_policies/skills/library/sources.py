"""Where a skill comes from: a folder, a zip file, the hub, or a run of `lerobot-train`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robot_policies.interface import CheckpointError
from robot_policies.policies.locate import HUB_ID, find_checkpoint
from robot_policies.skills.package.archive import MAX_BYTES, unpack
from robot_policies.skills.package.card import FILE, FILES, TEXTS, check_file

# Where lerobot-train puts an adapter: in a checkpoint, in all of a run, in the run's output.
TRAINED, LAST, RUN = Path("pretrained_model"), Path("last"), Path("checkpoints/last")


@contextmanager
def naming(folder: Path, source: str) -> Iterator[None]:
    """Let a refusal of what is checked in a folder name where that came from."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(str(folder), source)) from None


def fetch(source: str, folder: Path) -> None:
    """Copy a skill's files.

    Args:
        source: A folder, a `.zip`, or a hub repository as `owner/name`.
        folder: An empty folder.

    Raises:
        CheckpointError: If it is none of them, or holds other files.
    """
    path = Path(source).expanduser()
    if path.is_dir() and not (path / FILE).is_file():
        raise CheckpointError(
            f"{source}: no {FILE}, so this is no skill; an adapter of peft becomes one by --name"
        )
    if path.is_dir():
        copy_folder(path, folder)
    elif path.suffix == ".zip" and path.is_file():
        unpack(path, folder)
    elif HUB_ID.fullmatch(source) and not source.endswith(".zip"):
        _copy_snapshot(find_checkpoint(source), folder)
    else:
        raise CheckpointError(f"{source}: no folder, no .zip file and no hub repository")


def _copy_snapshot(snapshot: Path, folder: Path) -> None:
    """Copy from the hub's cache, where files are links into its store."""
    for name in (FILE, *FILES):
        if not (snapshot / name).is_file():
            raise CheckpointError(f"{snapshot}: no {name}, so this is no skill")
        shutil.copyfile(snapshot / name, folder / name)


def fetch_adapter(source: Path, folder: Path) -> None:
    """Copy the two files of a peft adapter.

    Args:
        source: The adapter's folder, or one that `lerobot-train` wrote it under.
        folder: An empty folder.

    Raises:
        CheckpointError: If there is no adapter, or it is not clear which.
    """
    found = find_adapter(source)
    for file in FILES:
        check_file(found / file, MAX_BYTES)
        shutil.copyfile(found / file, folder / file)


def find_adapter(folder: Path) -> Path:
    """Return the folder of a peft adapter in what `lerobot-train` wrote.

    Args:
        folder: The adapter itself, a checkpoint that holds it, or the run's output.

    Raises:
        CheckpointError: If there is none, or it is not clear which.
    """
    name = FILES[0]
    for place in (folder, folder / TRAINED, folder / LAST / TRAINED, folder / RUN / TRAINED):
        if (place / name).is_file():
            return place
    found = sorted(path.parent for path in folder.rglob(name))
    if len(found) == 1:
        return found[0]
    where = f"; there are {[str(path) for path in found]}, name one" if found else ""
    raise CheckpointError(f"{folder}: no {name} in it, so this is no adapter of peft's{where}")


def copy_folder(source: Path, folder: Path) -> None:
    """Copy a skill's own files, and nothing else that lies in its folder.

    Raises:
        CheckpointError: If one of them is a link, or there are other files.
    """
    allowed = (FILE, *FILES, *TEXTS)
    left = MAX_BYTES
    for path in sorted(source.iterdir()):
        if path.name not in allowed:
            raise CheckpointError(f"{path} does not belong to a skill: {sorted(allowed)} alone")
        if path.is_symlink() or not path.is_file():
            raise CheckpointError(f"{path} is no regular file; a skill holds its own files")
        left -= path.stat().st_size
        if left < 0:
            raise CheckpointError(f"{source} is larger than {MAX_BYTES} bytes")
        shutil.copyfile(path, folder / path.name)
