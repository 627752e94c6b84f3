"""The spool: one MCAP file per episode, written step by step, readable after a crash.

A dataset's Parquet and MP4 files cannot be read before they are closed, so an episode is first
appended to a spool and becomes part of a dataset when it ends. Each step is one MCAP chunk with a
checksum, handed to the operating system before `write` returns: a process killed by SIGKILL loses
at most the step it was writing. (A power cut may lose what the kernel had not yet written.)

Every feature has its own channel. Vectors are JSON messages (`{"stamp": s, "values": [...]}`, both
exact), text is `{"stamp": s, "text": ...}`, images and point clouds are raw: stamp (float64 [s]),
number of axes (uint8), axes (uint32 each), then the elements, all little-endian. `log_time` is the
capture time, `publish_time` the time of the step. A raw array whose capture time has not changed
is not written again. The last message of a step is on the channel `step`; a step without it is
incomplete and is not read back.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from robot_policies.interface import BackendError, ConfigError

STEP = "step"
RAW = "raw"
BEGIN, END = "episode", "result"
MAGIC_SIZE, RECORD_HEAD = 8, 9  # of MCAP: magic; opcode (uint8) and length (uint64) [bytes]
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


@dataclass(frozen=True, eq=False)
class Spool:
    """A spool file; the steps are read when they are asked for.

    Attributes:
        path: The file.
        about: What was said when the episode began.
        result: What was said when it ended; empty if it was interrupted.
        length: Number of complete steps.
    """

    path: Path
    about: Mapping[str, Any]
    result: Mapping[str, Any]
    length: int

    def steps(self) -> Iterator[SpooledStep]:
        """Read the complete steps, oldest first.

        Raises:
            ConfigError: If the file is damaged.
        """
        from mcap.records import Channel, Message

        channels: dict[int, Channel] = {}
        step: dict[str, tuple[Value, float]] = {}
        held: dict[str, tuple[Value, float]] = {}
        for record in _records(self.path):
            if isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message):
                channel = channels[record.channel_id]
                value, stamp = _decode(record, channel)
                if channel.topic == STEP:
                    step = {**held, **step}
                    yield SpooledStep(
                        stamp,
                        {name: value for name, (value, _) in step.items()},
                        {name: stamp for name, (_, stamp) in step.items()},
                    )
                    step = {}
                    continue
                step[channel.topic] = value, stamp
                if channel.message_encoding == RAW:
                    held[channel.topic] = value, stamp


class SpoolWriter:
    """Appends steps to a spool file."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        """Create the file.

        Args:
            path: Where; must not exist.
            about: The episode as JSON-serialisable data: robot, policy, task, fps, names, ...
        """
        from mcap.writer import CompressionType, Writer

        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("xb")
        self._writer = Writer(self._file, compression=CompressionType.ZSTD)
        self._writer.start(profile="robot_policies", library="robot_policies")
        self._writer.add_metadata(BEGIN, {"json": json.dumps(about)})
        self._schema = self._writer.register_schema(
            "robot_policies.Stream", "jsonschema", b'{"type": "object"}'
        )
        self._channels: dict[str, tuple[int, str]] = {}
        self._written: dict[str, float] = {}
        self._steps = 0
        self._writer.flush()

    def write(self, time: float, values: Mapping[str, Value], stamps: Mapping[str, float]) -> None:
        """Append one step; it survives the death of the process from here on.

        Raises:
            BackendError: If a feature changes its dtype, or the disk is full.
        """
        try:
            for name, value in values.items():
                self._append(name, value, stamps[name], time)
            self._put(STEP, "json", "str", _json(stamp=time, text=""), time, time)
            self._writer.flush()
        except OSError as error:
            raise BackendError(f"{self.path}: {error.strerror or error}") from None
        self._steps += 1

    def _append(self, name: str, value: Value, stamp: float, time: float) -> None:
        if isinstance(value, str):
            self._put(name, "json", "str", _json(stamp=stamp, text=value), stamp, time)
        elif value.ndim < 2:
            data = _json(stamp=stamp, values=value.tolist())
            self._put(name, "json", value.dtype.str, data, stamp, time)
        elif self._written.get(name) != stamp:
            head = struct.pack(f"<dB{value.ndim}I", stamp, value.ndim, *value.shape)
            data = head + np.ascontiguousarray(value).tobytes()
            self._put(name, RAW, value.dtype.str, data, stamp, time)
            self._written[name] = stamp

    def _put(
        self, name: str, encoding: str, dtype: str, data: bytes, stamp: float, time: float
    ) -> None:
        if name not in self._channels:
            schema = self._schema if encoding == "json" else 0
            channel = self._writer.register_channel(name, encoding, schema, {"dtype": dtype})
            self._channels[name] = channel, dtype
        channel, known = self._channels[name]
        if known != dtype:
            raise BackendError(f"recording: {name} was {known}, now {dtype}")
        self._writer.add_message(
            channel, _nanoseconds(stamp), data, _nanoseconds(time), sequence=self._steps
        )

    def close(self, result: Mapping[str, Any]) -> None:
        """Say how the episode ended and finish the file; may be called twice."""
        if self._file.closed:
            return
        self._writer.add_metadata(END, {"json": json.dumps(result)})
        self._writer.finish()
        self._file.close()


def read_spool(path: Path) -> Spool:
    """Open a spool file, also one whose writer died.

    Raises:
        ConfigError: If it cannot be read, is damaged, or is no recording of this package.
    """
    from mcap.records import Channel, Message, Metadata

    about: Mapping[str, Any] | None = None
    result: Mapping[str, Any] = {}
    markers: set[int] = set()
    length = 0
    for record in _records(path):
        if isinstance(record, Metadata) and record.name == BEGIN:
            about = json.loads(record.metadata["json"])
        elif isinstance(record, Metadata) and record.name == END:
            result = json.loads(record.metadata["json"])
        elif isinstance(record, Channel) and record.topic == STEP:
            markers.add(record.id)
        elif isinstance(record, Message) and record.channel_id in markers:
            length += 1
    if about is None:
        raise ConfigError(f"{path}: no recording of this package: it has no '{BEGIN}' record")
    return Spool(path, about, result, length)


def _records(path: Path) -> Iterator[Any]:
    """Yield the records that are whole; the last one of a killed writer may not be."""
    from mcap.exceptions import EndOfFile, McapError
    from mcap.stream_reader import CRCValidationError, StreamReader
    from zstandard import ZstdError

    try:
        with path.open("rb") as file:
            head = _Head(file, _whole_length(file))
            yield from StreamReader(head, validate_crcs=True).records  # pyright: ignore[reportArgumentType]
    except EndOfFile:
        return
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (McapError, CRCValidationError, struct.error, ZstdError) as error:
        raise ConfigError(f"{path}: damaged, or no recording: {error}") from None


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


def _decode(record: Any, channel: Any) -> tuple[Value, float]:
    """Return the value of a message and its capture time. [s]."""
    dtype = channel.metadata["dtype"]
    if channel.message_encoding == RAW:
        stamp, axes = struct.unpack_from("<dB", record.data)
        shape = struct.unpack_from(f"<{axes}I", record.data, 9)
        return np.frombuffer(record.data, dtype, offset=9 + 4 * axes).reshape(shape), stamp
    message = json.loads(record.data)
    if dtype == "str":
        return message["text"], message["stamp"]
    return np.asarray(message["values"], dtype), message["stamp"]


def _json(**message: Any) -> bytes:
    return json.dumps(message).encode()


def _nanoseconds(stamp: float) -> int:
    return max(0, round(stamp * 1e9))
