"""A network link between two hosts that delays, loses and is cut: two TAP devices and a process.

The kernel's own emulator (`tc ... netem`) is not on every machine that runs the tests.
"""

import fcntl
import heapq
import itertools
import json
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
FRAME = 65536  # bytes


class PoorLink:
    """The link, as a test sees it."""

    def __init__(self, near: str, far: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, near, far],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self._process.stdout.readline()

    def set(self, *, delay: float = 0.0, jitter: float = 0.0, loss: float = 0.0) -> None:
        """Change how it is: one-way delay and its spread [s], and the share of frames lost."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([delay, jitter, loss]) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.communicate()  # it ends with its input


@contextmanager
def poor_link(near: str, far: str) -> Iterator[PoorLink]:
    """Make both devices; they are gone after the block."""
    link = PoorLink(near, far)
    try:
        yield link
    finally:
        link.close()


def _tap(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI)
    fcntl.ioctl(device, TUNSETIFF, request)
    return device


def _forward(near: int, far: int) -> None:
    delay, jitter, loss = 0.0, 0.0, 0.0
    chance, number = random.Random(0), itertools.count()
    due: list[tuple[float, int, int, bytes]] = []
    while True:
        wait = max(due[0][0] - time.monotonic(), 0.0) if due else None
        readable, *_ = select.select([near, far, 0], [], [], wait)
        now = time.monotonic()
        if 0 in readable:
            line = sys.stdin.readline()
            if not line:
                return
            delay, jitter, loss = json.loads(line)
        for source, target in ((near, far), (far, near)):
            while source in readable:
                try:
                    frame = os.read(source, FRAME)
                except OSError:
                    break
                if chance.random() >= loss:
                    later = max(chance.gauss(delay, jitter), 0.0)
                    heapq.heappush(due, (now + later, next(number), target, frame))
        while due and due[0][0] <= time.monotonic():
            *_, target, frame = heapq.heappop(due)
            try:
                os.write(target, frame)
            except OSError:  # full, or not up yet: lost
                continue


if __name__ == "__main__":
    devices = [_tap(name) for name in sys.argv[1:]]
    print("ready", flush=True)
    _forward(*devices)
