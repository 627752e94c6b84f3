"""Two clocks that are compared over a link."""

from collections import deque
from types import SimpleNamespace

import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import TimeReference

from robot_policies.data.ros_messages import to_seconds
from robot_policies.nodes import clock_comparison
from robot_policies.nodes.clock_comparison import ClockComparison
from robot_policies.nodes.message_fields import to_time

EPOCH = 1_700_000_000.0
CLOSE = pytest.approx(0.0, abs=1e-6)


class Link:
    """A robot's computer behind a link; messages take their time there and back."""

    def __init__(self) -> None:
        self.now, self.lead, self.there, self.back = EPOCH, 3.0, 0.001, 0.001

    def time(self) -> float:
        return self.now

    def answer(self, comparison: ClockComparison) -> None:
        asked = to_time(self.now)
        comparison._asked.append(to_seconds(asked))
        self.now += self.there
        message = TimeReference(time_ref=asked)
        message.header.stamp = to_time(self.now + self.lead)
        self.now += self.back
        comparison._hear(message, {})


@pytest.fixture
def link(monkeypatch):
    made = Link()
    monkeypatch.setattr(clock_comparison, "time", made)
    return made


@pytest.fixture
def comparison(link):
    made = ClockComparison.__new__(ClockComparison)
    made._node = SimpleNamespace(time=SimpleNamespace(lead=0.0))
    made._asked, made._heard = deque(maxlen=8), deque(maxlen=8)
    made._source = SimpleNamespace(look_anew=lambda: None, believes=lambda sender: True)
    return made


def test_the_lead_is_that_over_the_middle_of_the_exchange(link, comparison):
    link.answer(comparison)
    assert comparison._node.time.lead - 3.0 == CLOSE
    assert comparison.uncertainty - 0.001 == CLOSE


def test_the_true_lead_lies_within_the_uncertainty_however_unequal_both_ways_are(link, comparison):
    link.there, link.back = 0.03, 0.002
    link.answer(comparison)
    assert abs(comparison._node.time.lead - 3.0) <= comparison.uncertainty
    assert comparison._node.time.lead - 3.014 == CLOSE


def test_of_several_answers_the_quickest_counts(link, comparison):
    for there in (0.02, 0.001, 0.05):
        link.there = there
        link.answer(comparison)
    assert comparison._node.time.lead - 3.0 == CLOSE


def test_a_clock_that_is_set_is_believed_at_once(link, comparison):
    link.answer(comparison)
    link.lead, link.there = -2.0, 0.005
    link.answer(comparison)
    assert comparison._node.time.lead + 2.0 == pytest.approx(0.0, abs=0.003)


def test_an_answer_to_nobodys_question_is_left_aside(link, comparison):
    comparison._hear(TimeReference(time_ref=Time(sec=5)), {})
    assert comparison._node.time.lead == 0.0
    assert comparison.uncertainty == float("inf")
