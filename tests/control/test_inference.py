import threading
import time

import pytest

from robot_policies.control.inference import InferenceWorker


class Slow:
    """A policy that waits for the test."""

    def __init__(self):
        self.seen, self.go, self.started = [], threading.Event(), threading.Event()

    def reset(self, seed):
        self.seen.append(f"reset {seed}")

    def act(self, observation):
        self.started.set()
        self.go.wait(5.0)
        if observation == "bad":
            raise ValueError("no")
        self.seen.append(observation)
        return observation


@pytest.fixture
def delivered():
    return []


@pytest.fixture
def slow(delivered):
    policy = Slow()
    worker = InferenceWorker(
        policy,
        lambda chunk, took: delivered.append((chunk, took)),
        delivered.append,
        time.perf_counter,
    )
    yield policy, worker
    policy.go.set()
    worker.close()
    assert "inference" not in {thread.name for thread in threading.enumerate()}


def wait_for(delivered, count):
    end = time.monotonic() + 5.0
    while len(delivered) < count and time.monotonic() < end:
        time.sleep(0.001)


def test_only_the_newest_observation_waits(slow, delivered):
    policy, worker = slow
    worker.submit("first")
    policy.started.wait(5.0)
    worker.submit("second")
    worker.submit("third")
    policy.go.set()
    worker.close()
    assert policy.seen[0] == "first"
    assert "second" not in policy.seen
    assert delivered[0][0] == "first"


def test_an_error_is_handed_on_and_the_thread_lives(slow, delivered):
    policy, worker = slow
    policy.go.set()
    worker.submit("bad")
    wait_for(delivered, 1)
    assert str(delivered[0]) == "no"
    worker.submit("good")
    wait_for(delivered, 2)
    assert delivered[1][0] == "good"


def test_reset_waits_for_the_running_inference_and_drops_what_waits(slow):
    policy, worker = slow
    worker.submit("first")
    policy.started.wait(5.0)
    worker.submit("second")
    threading.Timer(0.05, policy.go.set).start()
    worker.reset(3)
    assert policy.seen == ["first", "reset 3"]


def test_after_a_quick_inference_the_next_is_done_when_submit_returns(slow, delivered):
    policy, worker = slow
    policy.go.set()
    worker.submit("first")
    wait_for(delivered, 1)
    for count in (2, 3):
        worker.submit(f"observation {count}")
        assert len(delivered) == count


def test_one_slow_inference_among_quick_ones_changes_nothing(slow, delivered):
    policy, worker = slow
    policy.go.set()
    worker.submit("first")
    wait_for(delivered, 1)
    policy.go.clear()
    threading.Timer(0.05, policy.go.set).start()
    worker.submit("disturbed")
    assert delivered[1][1] > 0.01
    worker.submit("third")
    assert len(delivered) == 3


def test_the_caller_does_not_wait_for_a_policy_that_is_slow(slow, delivered):
    policy, worker = slow
    threading.Timer(0.05, policy.go.set).start()
    worker.submit("first")
    wait_for(delivered, 1)
    policy.go.clear()
    worker.submit("second")
    assert len(delivered) == 1
    policy.go.set()
    wait_for(delivered, 2)
    assert delivered[1][0] == "second"
