"""ROS time at a node whose system clock is set."""

from types import SimpleNamespace

import pytest

from robot_policies.nodes import node_time
from robot_policies.nodes.node_time import IN_FLIGHT, LEFT_ALONE, NodeTime

STEADY, EPOCH = 100.0, 1_700_000_000.0
EXACT = pytest.approx(0.0, abs=2e-6)  # s; a float of so many seconds is no finer


class Clocks:
    """A machine's clocks; reading one takes a microsecond, and the first so many much longer."""

    def __init__(self) -> None:
        self.steady, self.lead, self.interrupted = STEADY, EPOCH - STEADY, 0

    def monotonic(self) -> float:
        self.steady += 0.05 if self.interrupted > 0 else 1e-6
        self.interrupted -= 1
        return self.steady

    def time(self) -> float:
        return self.monotonic() + self.lead


@pytest.fixture
def clocks(monkeypatch):
    made = Clocks()
    monkeypatch.setattr(node_time, "time", made)
    return made


@pytest.fixture
def node(clocks):
    parameter = SimpleNamespace(value=False)
    return NodeTime(SimpleNamespace(get_parameter=lambda name: parameter, get_clock=lambda: None))


@pytest.mark.parametrize("step", [-1.0, -0.002, 0.002, 1.5, 3600.0])
def test_a_clock_that_is_set_is_followed_at_once_and_the_nodes_own_is_not(clocks, node, step):
    assert node.to_ros(90.0) - EPOCH + 10.0 == EXACT
    clocks.lead += step
    assert node.to_ros(90.0) - EPOCH + 10.0 - step == EXACT
    assert node.from_ros(EPOCH - 10.0 + step) - 90.0 == EXACT
    assert node.now() - STEADY < 0.01


def test_a_reading_that_takes_long_is_no_step(clocks, node):
    before = node.to_ros(0.0)
    clocks.interrupted = 2
    assert node.to_ros(0.0) == before
    clocks.lead += 0.5 * LEFT_ALONE
    assert node.to_ros(0.0) == before


def test_what_was_stamped_before_the_clock_was_set_back_is_not_ahead(clocks, node):
    stamp = node.to_ros(node.now())
    clocks.lead -= 1.0
    assert node.from_ros(stamp) - STEADY < 0.01
    clocks.steady += 0.3
    later = node.to_ros(node.now())
    assert node.from_ros(later) - node.now() == pytest.approx(0.0, abs=1e-4)
    clocks.steady += IN_FLIGHT
    ahead = node.to_ros(node.now() + 1.0)  # of a computer whose clock leads
    assert node.from_ros(ahead) - node.now() == pytest.approx(1.0, abs=1e-4)
