"""A skill from a zip file: a few flat files of a bounded size, or nothing at all."""

import struct
import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path

from robot_policies.interface import CheckpointError
from robot_policies.skills.package.card import FILE, FILES, TEXTS

MAX_BYTES = 512 << 20  # of all files together, unpacked
CHUNK = 1 << 20
# What the readers of an archive and of its compressed members raise on bytes that are none.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, LZMAError, struct.error),
    *(NotImplementedError, RuntimeError, EOFError, OSError, ValueError, OverflowError),
)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a skill.

    What the archive says of its sizes is checked first and not believed: bytes are counted while
    they are written.

    Args:
        archive: The zip file; its files lie at the top or in one folder.
        folder: An empty folder.

    Raises:
        CheckpointError: If it holds anything but a skill's files, or too much.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            entries = [entry for entry in file.infolist() if not entry.is_dir()]
            names = _flat_names(archive, [entry.filename for entry in entries])
            declared = sum(entry.file_size for entry in entries)
            if declared > MAX_BYTES:
                raise CheckpointError(
                    f"{archive} would unpack to {declared} bytes, at most {MAX_BYTES} are taken"
                )
            left = MAX_BYTES
            for entry, name in zip(entries, names, strict=True):
                left = _copy(file, entry, folder / name, left, archive)
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno:  # of this machine, not of the archive
            raise
        raise CheckpointError(f"{archive} is no readable zip file: {error}") from None


def _flat_names(archive: Path, names: list[str]) -> list[str]:
    allowed = (FILE, *FILES, *TEXTS)
    parents = {name.rpartition("/")[0] for name in names}
    flat = [name.rpartition("/")[2] for name in names]
    parent = next(iter(parents)) if len(parents) == 1 else None
    if parent is None or parent in ("..", ".") or "/" in parent or "\\" in parent:
        outside = next(
            (n for n in names if ".." in n or n.startswith("/")), names[:1] or "nothing"
        )
        raise CheckpointError(f"{archive}: '{outside}' leaves the folder of the skill")
    for name in flat:
        if name not in allowed:
            raise CheckpointError(
                f"{archive}: '{name}' does not belong to a skill: {sorted(allowed)} alone"
            )
        if flat.count(name) > 1:
            raise CheckpointError(f"{archive}: '{name}' is in it twice")
    return flat


def _copy(
    file: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int, archive: Path
) -> int:
    with file.open(entry) as source, target.open("wb") as sink:
        while block := source.read(CHUNK):
            left -= len(block)
            if left < 0:
                raise CheckpointError(f"{archive} unpacks to more than {MAX_BYTES} bytes")
            sink.write(block)
    return left
