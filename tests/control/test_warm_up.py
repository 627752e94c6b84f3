import numpy as np
import pytest

from robot_policies.control import warm_up
from robot_policies.control.warm_up import ANSWERS, answer_time, choose_threads
from robot_policies.interface import ActionChunk, ArraySpec, ContractError, ObservationSpec


class Looks:
    """A policy that needs 1 us per pixel, and a second more for its first answer."""

    def __init__(self, height, width):
        name, size = "observation.images.wrist", (height, width, 3)
        self.observation_spec = ObservationSpec({name: ArraySpec(name, size, np.dtype(np.uint8))})
        self.now, self.asked = 0.0, 0

    def act(self, observation):
        height, width, _ = observation["observation.images.wrist"].shape
        self.now += 1e-6 * height * width + (0.0 if self.asked else 1.0)
        self.asked += 1
        return ActionChunk(0.0, 0.1, np.full((2, 2), self.value), ("pan", "lift"))

    value = 0.0

    def clock(self):
        return self.now


@pytest.mark.parametrize(("height", "width"), [(96, 96), (480, 640), (720, 1280)])
def test_an_answer_is_timed_with_pictures_of_the_policys_size(height, width):
    policy = Looks(height, width)
    assert answer_time(policy, 0, policy.clock) == pytest.approx(1e-6 * height * width)
    assert policy.asked == ANSWERS + 1


def test_an_answer_that_is_no_number_is_refused_before_the_robot_moves():
    policy = Looks(8, 8)
    policy.value = np.nan
    with pytest.raises(ContractError, match="the policy answers nan for 'pan'"):
        answer_time(policy, 0, policy.clock)


def test_an_answer_of_seconds_is_not_asked_for_more_often_than_needed():
    policy = Looks(2000, 1000)
    assert answer_time(policy, 0, policy.clock) == pytest.approx(2.0)
    assert policy.asked == 2


@pytest.mark.parametrize(
    ("takes", "chosen"),
    [
        ({1: 0.005}, 1),  # quick enough as it is
        ({1: 1.0, 2: 0.95}, 1),  # not worth it
        ({1: 1.0, 2: 0.6, 4: 0.4, 8: 0.39}, 4),
        ({1: 1.0, 2: 0.5, 4: 0.25, 8: 0.13}, 8),  # no more cores
    ],
)
def test_more_threads_are_taken_where_they_answer_sooner(takes, chosen, monkeypatch):
    monkeypatch.setattr(warm_up.os, "sched_getaffinity", lambda process: set(range(8)))
    used = []
    threads, took = choose_threads(lambda: takes[used[-1]], used.append)
    assert (threads, took, used[-1]) == (chosen, takes[chosen], chosen)
