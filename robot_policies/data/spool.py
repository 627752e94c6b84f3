"""The spool: one MCAP file per episode, written step by step, readable after a crash.

A dataset's Parquet and MP4 files cannot be read before they are closed, so an episode is first
appended to a spool and becomes part of a dataset when it ends. Each step is one MCAP chunk with a
checksum, handed to the operating system before `write` returns: a process killed by SIGKILL loses
at most the step it was writing. (A power cut may lose what the kernel had not yet written.)

The last message of a step, on the channel `step`, is JSON: its time, and vectors and texts with
their capture times, all exact. What has two axes or more has a channel of its own and is raw:
stamp (float64 [s]), number of axes (uint8), axes (uint32 each), then the elements, all
little-endian. It is not written again while its capture time stays the same. A step without its
last message is incomplete and is not read back. `log_time` and `publish_time` are the capture time
and the time of the step.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from robot_policies.interface import ConfigError

STEP = "step"
BEGIN, MORE, END = "episode", "features", "result"
MAGIC_SIZE, RECORD_HEAD = 8, 9  # of MCAP: magic; opcode (uint8) and length (uint64) [bytes]
MAX_CHUNK = 1 << 28  # bytes; a step with four uncompressed pictures of 4k has 100 MB
RAW_HEAD = struct.Struct("<dB")
# What reading raises on a file that somebody made up.
DAMAGES = ValueError, TypeError, AttributeError, LookupError, RecursionError, struct.error
Value = np.ndarray | str


@dataclass(frozen=True, eq=False)
class SpooledStep:
    """One control step.

    Attributes:
        time: When it happened. [s]
        values: Feature name to array or text.
        stamps: Capture time of each feature. [s]
    """

    time: float
    values: Mapping[str, Value]
    stamps: Mapping[str, float]


@dataclass(eq=False)
class Stream:
    """What the steps of a spool have of one feature.

    Attributes:
        last: Newest value.
        since: First step of the unbroken run that reaches the newest value.
        seen: Step of the newest value.
        shapes: Shapes it had.
    """

    last: Value
    since: int
    seen: int
    shapes: set[tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Spool:
    """A spool file; the steps are read when they are asked for.

    Attributes:
        path: The file.
        about: What was said when the episode began.
        result: What was said when it ended; empty if it was interrupted.
        length: Number of complete steps.
        streams: Every feature that was there.
    """

    path: Path
    about: Mapping[str, Any]
    result: Mapping[str, Any]
    length: int
    streams: Mapping[str, Stream]

    def steps(self) -> Iterator[SpooledStep]:
        """Read the complete steps, oldest first.

        Raises:
            ConfigError: If the file is damaged.
        """
        yield from _steps(self.path, _Reader())


def read_spool(path: Path) -> Spool:
    """Open a spool file, also one whose writer died.

    Raises:
        ConfigError: If it cannot be read, is damaged, or is no recording of this package.
    """
    reader, length = _Reader(), 0
    streams: dict[str, Stream] = {}
    for step in _steps(path, reader):
        for name, value in step.values.items():
            stream = streams.get(name)
            if stream is None:
                stream = streams[name] = Stream(value, length, length, set())
            elif stream.seen != length - 1:
                stream.since = length
            stream.last, stream.seen = value, length
            stream.shapes.add(value.shape if isinstance(value, np.ndarray) else (1,))
        length += 1
    if not reader.begun:
        raise ConfigError(f"{path}: no recording of this package: it has no '{BEGIN}' record")
    return Spool(path, reader.about, reader.result, length, streams)


class _Reader:
    """Puts steps together from the records of a file."""

    def __init__(self) -> None:
        from mcap.records import Channel, Message, Metadata

        self._kinds = Message, Channel, Metadata
        self.begun = False
        self.about: dict[str, Any] = {}
        self.result: dict[str, Any] = {}
        self._dtypes: dict[str, str] = {}
        self._topics: dict[int, str] = {}
        self._raw: dict[str, tuple[np.ndarray, float]] = {}

    def take(self, record: Any) -> SpooledStep | None:
        """Take the next record; return a step if it was the last of one."""
        message, channel, metadata = self._kinds
        if isinstance(record, message):
            topic = self._topics[record.channel_id]
            if topic == STEP:
                return self._put_together(record.data)
            self._raw[topic] = _decode(record.data, self._dtypes[topic])
        elif isinstance(record, channel):
            self._topics[record.id] = record.topic
        elif isinstance(record, metadata):
            self.begun |= record.name == BEGIN
            table = {BEGIN: self.about, MORE: self._dtypes, END: self.result}
            table.get(record.name, {}).update(json.loads(record.metadata["json"]))
        return None

    def _put_together(self, data: bytes) -> SpooledStep:
        step = json.loads(data)
        values: dict[str, Value] = {name: value for name, (value, _) in self._raw.items()}
        stamps = {name: stamp for name, (_, stamp) in self._raw.items()}
        for name, value in step["values"].items():
            text = isinstance(value, str)
            values[name] = value if text else np.asarray(value, self._dtypes[name])
        return SpooledStep(step["time"], values, stamps | step["stamps"])


def _steps(path: Path, reader: _Reader) -> Iterator[SpooledStep]:
    """Yield the complete steps of a file, whoever wrote it.

    Raises:
        ConfigError: If it is damaged, or no recording.
    """
    try:
        for record in _records(path):
            if step := reader.take(record):
                yield step
    except DAMAGES as error:
        raise ConfigError(f"{path}: damaged, or no recording: {error!r}") from None


def _records(path: Path) -> Iterator[Any]:
    """Yield the records that are whole; the last one of a killed writer may not be."""
    from mcap.exceptions import EndOfFile, McapError
    from mcap.records import Chunk
    from mcap.stream_reader import CRCValidationError, StreamReader, breakup_chunk
    from zstandard import ZstdError

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
    except (McapError, CRCValidationError, struct.error, ZstdError) as error:
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


def _decode(data: bytes, dtype: str) -> tuple[np.ndarray, float]:
    """Return a raw array and its capture time. [s]."""
    stamp, axes = RAW_HEAD.unpack_from(data)
    shape = struct.unpack_from(f"<{axes}I", data, RAW_HEAD.size)
    offset = RAW_HEAD.size + 4 * axes
    return np.frombuffer(data, dtype, offset=offset).reshape(shape), stamp
