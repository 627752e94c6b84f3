"""What processes say, passed on without ever waiting for whoever reads it.

A paused pager or a stalled connection fills the pipe behind the launcher. If it waited there, its
processes would soon wait for it, and a robot would stand still for want of a reader.
"""

import os
from queue import Full, Queue
from threading import Thread

STDOUT, STDERR = 1, 2
KEPT = 10_000  # lines while nobody reads; what comes then is counted, not kept
FAREWELL = 1.0  # s; how long the end waits for a reader


class Lines:
    """Writes lines in a thread of its own."""

    def __init__(self) -> None:
        """Begin."""
        self._waiting: Queue[tuple[int, str] | None] = Queue(KEPT)
        self._lost = 0
        self._thread = Thread(target=self._write, daemon=True)
        self._thread.start()

    def say(self, name: str, text: str, stream: int = STDOUT) -> None:
        """Write a line, with the name of who says it, as soon as it is read."""
        prefix = f"[{name}] " if name else ""
        try:
            self._waiting.put_nowait((stream, f"{prefix}{text}\n"))
        except Full:
            self._lost += 1

    def close(self) -> None:
        """Write what is left, if somebody reads it within a short time."""
        try:
            self._waiting.put(None, timeout=FAREWELL)
        except Full:
            return
        self._thread.join(FAREWELL)

    def _write(self) -> None:
        gone: set[int] = set()
        while (line := self._waiting.get()) is not None:
            stream, text = line
            if lost := self._lost:
                self._lost -= lost
                text = f"[launch] {lost} lines are missing here: nobody read them\n{text}"
            if stream not in gone and not _written(stream, text.encode(errors="replace")):
                gone.add(stream)


def _written(stream: int, data: bytes) -> bool:
    """Return whether somebody reads a stream at all."""
    try:
        while data:
            data = data[os.write(stream, data) :]
    except OSError:
        return False
    return True
