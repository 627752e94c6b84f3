"""A graph that is interrupted before it is ready ends without a traceback, and well."""

import signal
import time
from pathlib import Path

from ros_graph import Graph

HOLD = ("policy:=hold", "robot:=go1", "backend:=loopback", "task:=none")


def imports(pid):
    """Return whether a process has begun to import: a library of a package is mapped."""
    return "/site-packages/" in Path(f"/proc/{pid}/maps").read_text()


def test_an_interrupt_within_the_imports_ends_without_a_traceback():
    graph = Graph(*HOLD)
    end = time.monotonic() + 60.0
    while sum(imports(pid) for pid in graph.children().values()) < 3:
        assert time.monotonic() < end
        time.sleep(0.01)
    status, errors = graph.end(signal.SIGINT)
    assert status == 0, errors
    assert "Traceback" not in errors
    assert "died" not in errors
