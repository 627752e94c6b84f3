"""A skill from a zip file: a few flat files of a bounded size, or nothing at all."""

import shutil
import zipfile
from pathlib import Path

from robot_policies.interface import CheckpointError
from robot_policies.skills.card import FILE
from robot_policies.skills.package import FILES, TEXTS

MAX_BYTES = 512 << 20  # of all files together, unpacked
CHUNK = 1 << 20


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
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise CheckpointError(f"{archive} is no readable zip file: {error}") from None


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
