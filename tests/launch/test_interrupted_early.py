"""A graph that is interrupted before it is ready ends without a traceback, and well."""

import signal
import time

import pytest
from ros_graph import Graph

HOLD = ("policy:=hold", "robot:=go1", "backend:=loopback", "task:=none")


def importing(graph):
    """Wait until the nodes' processes run, which then import for a second or more."""
    end = time.monotonic() + 60.0
    while len(graph.children()) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    return graph.children()


@pytest.mark.parametrize("later", [0.05, 0.4])
def test_an_interrupt_within_the_imports_ends_without_a_traceback(later):
    graph = Graph(*HOLD)
    assert len(importing(graph)) == 3
    time.sleep(later)
    status, errors = graph.end(signal.SIGINT)
    assert status == 0, errors
    assert "Traceback" not in errors
    assert "died" not in errors
