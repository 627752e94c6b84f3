"""Arrays of a numpy archive as data, whoever wrote it: no pickle, and of a bounded size."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from robot_policies.interface import ConfigError

MAX_BYTES = 2 << 30  # unpacked; an archive of a few kB may claim more than there is memory


def read_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read arrays of an archive.

    Args:
        path: The archive.
        names: Of the arrays.

    Raises:
        ConfigError: If it is no archive, is damaged or too large, or lacks an array.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("is no regular file")
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise ValueError(f"would unpack to {size} bytes, limit {MAX_BYTES}")
        with np.load(path, allow_pickle=False) as file:
            for name in names:
                if name not in file:
                    raise ConfigError(f"{path}: '{name}' is missing; it has {sorted(file)}")
            return {name: file[name] for name in names}
    except ConfigError:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        MemoryError,
        RuntimeError,  # encrypted, or packed in a way that is not known
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: cannot be read as npz: {reason}") from None
