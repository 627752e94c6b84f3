"""A bounded queue of byte strings between two processes; the writer never waits.

The bytes lie in a ring of shared memory. Their lengths go through a pipe, which wakes the reader
and tells it that the writer has gone, even if it was killed.
"""

import os
import struct
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from typing import Any

Bytes = bytes | memoryview
LENGTH = struct.Struct("<I")


class ByteWriter:
    """The writer's end; it stays in the process that made the queue."""

    def __init__(self, context: SpawnContext, size: int) -> None:
        """Make the queue.

        Args:
            context: Starts the reader's process.
            size: Room in the ring; its pages are touched here, and not when they are needed.
                [bytes]
        """
        self._size, self._written = size, 0
        ring, self._read = context.RawArray("B", size), context.RawArray("Q", 1)
        reader, self._pipe = context.Pipe(duplex=False)
        os.set_blocking(self._pipe.fileno(), False)
        self.reader = ByteReader(ring, self._read, reader)
        self._ring = memoryview(ring).cast("B")

    @property
    def room(self) -> int:
        """Bytes that fit in now."""
        return self._size - (self._written - self._read[0])

    def put(self, parts: Sequence[Bytes]) -> bool:
        """Append one byte string, given in parts; return whether it fitted.

        Raises:
            BrokenPipeError: If the reader's process has ended.
        """
        length = sum(len(part) for part in parts)
        if length > self.room:
            return False
        position = self._written
        for part in parts:
            start = position % self._size
            head = min(len(part), self._size - start)
            self._ring[start : start + head] = part[:head]
            self._ring[: len(part) - head] = part[head:]
            position += len(part)
        try:
            os.write(self._pipe.fileno(), LENGTH.pack(length))
        except BlockingIOError:  # the pipe is full of lengths
            return False
        self._written = position
        return True

    def close(self) -> None:
        """Tell the reader that nothing more comes; may be called twice."""
        self._pipe.close()


class ByteReader:
    """The reader's end; it is given to another process when that is started."""

    def __init__(self, ring: Any, read: Any, pipe: Connection) -> None:
        """Keep what is shared with the writer."""
        self._ring, self._read, self._pipe = ring, read, pipe

    def get(self) -> memoryview | None:
        """Wait for the next byte string and return a copy of it; `None` if the writer has gone."""
        head = os.read(self._pipe.fileno(), LENGTH.size)
        if not head:
            return None
        (length,) = LENGTH.unpack(head)
        ring = memoryview(self._ring).cast("B")
        start = self._read[0] % len(ring)
        copy = bytearray(ring[start : start + length])
        copy += ring[: length - len(copy)]
        self._read[0] += length
        return memoryview(copy)

    def close(self) -> None:
        """Let go of this process's end."""
        self._pipe.close()
