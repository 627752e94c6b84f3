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
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.mcap_records import whole_records
from robot_policies.interface import ConfigError

STEP = "step"
BEGIN, MORE, END = "episode", "features", "result"
RAW_HEAD = struct.Struct("<dB")
MAX_TEXT = 1 << 24  # bytes; a step's vectors and texts have some kB
DTYPE = re.compile(r"str|[<|][biuf][1248]")  # of texts and of numbers; what numpy writes
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
        notes: What was left out when it was read, one line each.
    """

    path: Path
    about: Mapping[str, Any]
    result: Mapping[str, Any]
    length: int
    streams: Mapping[str, Stream]
    notes: tuple[str, ...] = ()

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
            table.get(record.name, {}).update(_parse(record.metadata["json"]))
            for name, dtype in self._dtypes.items() if record.name == MORE else ():
                _check_feature(name, dtype)
        return None

    def _put_together(self, data: bytes) -> SpooledStep:
        step = _parse(data)
        values: dict[str, Value] = {name: value for name, (value, _) in self._raw.items()}
        stamps = {name: stamp for name, (_, stamp) in self._raw.items()}
        for name, value in step["values"].items():
            text = isinstance(value, str)
            values[name] = value if text else _vector(name, value, self._dtypes[name])
            stamps[name] = _time(step["stamps"][name])
        return SpooledStep(_time(step["time"]), values, stamps)


def _steps(path: Path, reader: _Reader) -> Iterator[SpooledStep]:
    """Yield the complete steps of a file, whoever wrote it.

    Raises:
        ConfigError: If it is damaged, or no recording.
    """
    try:
        for record in whole_records(path):
            if step := reader.take(record):
                yield step
    except DAMAGES as error:
        raise ConfigError(f"{path}: damaged, or no recording: {error!r:.300}") from None


def _parse(text: str | bytes) -> Any:
    """Return what JSON says, whose values take many times its own size."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"a text of {len(text)} bytes, at most {MAX_TEXT} make sense")
    return json.loads(text)


def _check_feature(name: str, dtype: Any) -> None:
    if not name or "/" in name:
        raise ValueError(f"'{name}' is no name of a feature")
    if not isinstance(dtype, str) or not DTYPE.fullmatch(dtype):
        raise ValueError(f"'{name}' is of type {dtype!r}, expected str or a number's")


def _vector(name: str, value: Any, dtype: str) -> np.ndarray:
    vector = np.asarray(value, dtype)
    if vector.ndim != 1 or vector.dtype.kind not in "biuf":
        raise ValueError(f"'{name}' is no vector of numbers")
    return vector


def _time(value: Any) -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise ValueError(f"{value!r} is no time")
    return value


def _decode(data: bytes, dtype: str) -> tuple[np.ndarray, float]:
    """Return a raw array and its capture time. [s]."""
    stamp, axes = RAW_HEAD.unpack_from(data)
    _time(stamp)
    shape = struct.unpack_from(f"<{axes}I", data, RAW_HEAD.size)
    offset = RAW_HEAD.size + 4 * axes
    return np.frombuffer(data, dtype, offset=offset).reshape(shape), stamp
