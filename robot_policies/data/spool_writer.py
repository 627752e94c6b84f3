"""Writes a spool, step by step; its format is said in `spool.py`."""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.spool import BEGIN, END, MORE, RAW_HEAD, STEP, Value
from robot_policies.interface import BackendError


class SpoolWriter:
    """Appends steps to a spool file.

    Each step is a chunk, so that it survives the death of the process. What is kept in memory does
    not grow with the number of steps.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        """Create the file.

        Args:
            path: Where; must not exist.
            about: The episode as JSON-serialisable data: robot, policy, task, fps, ...

        Raises:
            BackendError: If it cannot be written.
        """
        from robot_policies.data.mcap_stream import McapStream

        self.path = path
        self._channels: dict[str, int] = {}
        self._dtypes: dict[str, str] = {}
        self._written: dict[str, float] = {}
        with named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb")
            self._stream = McapStream(self._file, profile="robot_policies")
            self._note(BEGIN, about)
            self._step = self._stream.register_channel(STEP, "json")
            self._stream.flush()

    def note(self, about: Mapping[str, Any]) -> None:
        """Say more about the episode than was known when it began."""
        with named(self.path):
            self._note(BEGIN, about)

    def write(self, time: float, values: Mapping[str, Value], stamps: Mapping[str, float]) -> None:
        """Append one step; it survives the death of the process from here on.

        Raises:
            BackendError: If a feature changes its dtype, or the disk is full.
        """
        self._check(values)
        now = _nanoseconds(time)
        small: dict[str, Any] = {}
        with named(self.path):
            for name, value in values.items():
                if isinstance(value, str):
                    small[name] = value
                elif value.ndim < 2:
                    small[name] = value.tolist()
                elif self._written.get(name) != stamps[name]:
                    self._append_raw(name, value, stamps[name], now)
            known = {name: stamps[name] for name in small}
            data = json.dumps({"time": time, "values": small, "stamps": known}).encode()
            self._stream.add_message(self._step, now, data, now)
            self._stream.flush()

    def _check(self, values: Mapping[str, Value]) -> None:
        dtypes = {k: "str" if isinstance(v, str) else v.dtype.str for k, v in values.items()}
        for name, dtype in dtypes.items():
            known = self._dtypes.get(name, dtype)
            if known != dtype:
                raise BackendError(f"recording: {name} was {known}, now {dtype}")
        new = {name: dtype for name, dtype in dtypes.items() if name not in self._dtypes}
        if new:
            with named(self.path):
                self._note(MORE, new)
            self._dtypes |= new

    def _append_raw(self, name: str, value: np.ndarray, stamp: float, now: int) -> None:
        if name not in self._channels:
            self._channels[name] = self._stream.register_channel(name, "raw")
        axes = struct.pack(f"<{value.ndim}I", *value.shape)
        data = RAW_HEAD.pack(stamp, value.ndim) + axes + np.ascontiguousarray(value).tobytes()
        self._stream.add_message(self._channels[name], _nanoseconds(stamp), data, now)
        self._written[name] = stamp

    def _note(self, name: str, about: Mapping[str, Any]) -> None:
        self._stream.add_metadata(name, {"json": json.dumps(about)})

    def close(self, result: Mapping[str, Any] | None = None) -> None:
        """Say how the episode ended, if it did, and finish the file; may be called twice.

        Raises:
            BackendError: If the disk is full; the steps are there all the same.
        """
        if self._file.closed:
            return
        with named(self.path), self._file:
            if result is not None:
                self._note(END, result)
            self._stream.finish()


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Name the file in what the operating system says."""
    try:
        yield
    except OSError as error:
        raise BackendError(f"{path}: {error.strerror or error}") from None


def _nanoseconds(stamp: float) -> int:
    return max(0, round(stamp * 1e9))
