"""The whole records of an MCAP file, also of one whose writer died in the middle of a record.

What is packed is unpacked only where its size makes sense, whoever wrote the file.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from robot_policies.interface import ConfigError

MAGIC_SIZE, RECORD_HEAD = 8, 9  # of MCAP: magic; opcode (uint8) and length (uint64) [bytes]
MAX_CHUNK = 1 << 28  # bytes; a step with four uncompressed pictures of 4k has 100 MB


def whole_records(path: Path) -> Iterator[Any]:
    """Yield the records that are whole.

    Raises:
        ConfigError: If the file cannot be read or is damaged, or a chunk is too large to unpack.
    """
    from mcap.exceptions import EndOfFile, McapError
    from mcap.records import Chunk
    from mcap.stream_reader import CRCValidationError, StreamReader, breakup_chunk
    from zstandard import ZstdError

    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: no recording: it is no regular file")
    try:
        with path.open("rb") as file:
            head: Any = _Head(file, _whole_length(file))
            reader = StreamReader(
                head, emit_chunks=True, validate_crcs=True, record_size_limit=MAX_CHUNK
            )
            for record in reader.records:
                if isinstance(record, Chunk):
                    _check_size(record)
                    yield from breakup_chunk(record, validate_crc=True)
                else:
                    yield record
    except EndOfFile:
        return
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (McapError, CRCValidationError, struct.error, ZstdError, ValueError) as error:
        raise ConfigError(f"{path}: damaged, or no recording: {error}") from None


def _check_size(chunk: Any) -> None:
    """Refuse a chunk that a small file says is large: it would be taken into memory whole."""
    from zstandard import frame_content_size

    if chunk.compression == "zstd":
        size = max(chunk.uncompressed_size, frame_content_size(chunk.data))
        if size <= MAX_CHUNK:
            return
        raise ValueError(f"a step of {size} bytes, at most {MAX_CHUNK} make sense")
    if chunk.compression:
        raise ValueError(f"a step packed by '{chunk.compression}', expected zstd")


class _Head:
    """The first bytes of a file, as a file."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._left = file, length

    def read(self, length: int) -> bytes:
        """Return up to `length` bytes; none at the end."""
        data = self._file.read(min(length, self._left))
        self._left -= len(data)
        return data


def _whole_length(file: BinaryIO) -> int:
    """Return where the last whole record ends. [bytes]."""
    size = file.seek(0, 2)
    position = MAGIC_SIZE
    while position + RECORD_HEAD <= size:
        file.seek(position + 1)
        (length,) = struct.unpack("<Q", file.read(8))
        if position + RECORD_HEAD + length > size:
            break
        position += RECORD_HEAD + length
    file.seek(0)
    # A finished file ends with the magic once more, which is shorter than a record's head.
    return size if size - position == MAGIC_SIZE else position
