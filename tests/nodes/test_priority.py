"""Priority of the control thread; each case has a thread of its own, with which it ends."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from robot_policies.interface import ConfigError
from robot_policies.nodes.priority import raise_priority


def scheduling() -> tuple[int, int, set[int]]:
    policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    return policy, os.sched_getparam(0).sched_priority, os.sched_getaffinity(0)


def after(text: str) -> tuple[tuple[int, int, set[int]], tuple[int, int, set[int]]]:
    """Return how a thread runs that raised its priority, and one that it starts afterwards."""

    def run():
        raise_priority(text)
        seen = []
        later = Thread(target=lambda: seen.append(scheduling()))
        later.start()
        later.join()
        return scheduling(), seen[0]

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def allowed() -> bool:
    try:
        after("10")
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("text", ["", "0", "none"])
def test_nothing_changes_where_nothing_is_wanted(text):
    assert after(text)[0][:2] == (os.SCHED_OTHER, 0)


def test_the_thread_has_its_priority_and_core_and_those_it_starts_have_the_ordinary_one():
    if not allowed():
        pytest.skip("this user may not raise priorities")
    core = max(os.sched_getaffinity(0))
    before = scheduling()
    own, started = after(f"17@{core}")
    assert own == (os.SCHED_FIFO, 17, {core})
    assert started[:2] == (os.SCHED_OTHER, 0)
    assert scheduling() == before


@pytest.mark.parametrize("text", ["high", "-1", "00", "100", "10@", "10@x", "1e1", "10@9999"])
def test_what_is_no_priority_is_refused(text):
    with pytest.raises(ConfigError, match=f"realtime is '{text}'"):
        after(text)


def test_a_system_that_does_not_allow_it_is_named_with_what_allows_it(monkeypatch):
    def refuse(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with pytest.raises(ConfigError, match="rtprio 10"):
        raise_priority("10")
