"""A legged robot is brought to rest by its loop, which goes on meanwhile."""

import numpy as np
import pytest

from robot_policies.catalog import load_robot, make_backend
from robot_policies.control.loop import ControlLoop
from robot_policies.control.mode_table import LeggedMode
from robot_policies.control.operations import emergency_stop, request
from robot_policies.policies.catalog import action_spec_of

ROBOT = load_robot("go1")
PERIOD = 1.0 / ROBOT.control_rate
LYING = dict(zip(ROBOT.joint_names, ROBOT.lying.tolist(), strict=True))


@pytest.fixture
def loop():
    backend = make_backend("mujoco", ROBOT, modes=True)
    backend.connect()
    backend.reset(0, {"base_position": [0.0, 0.0, 0.1], "joint_position": LYING})
    loop = ControlLoop(backend, action_spec_of("hold", ROBOT))
    loop.begin(None, 0.0)
    run(loop, 0.0, 0.2)
    assert request(loop, LeggedMode.STAND) == ""
    run(loop, 0.2, 2.5)
    assert loop.modes.mode is LeggedMode.STAND
    yield loop
    backend.close()


def run(loop, now, seconds):
    for _ in range(round(seconds / PERIOD)):
        now += PERIOD
        loop.measure(now)
        loop.decide(now)
        loop.settle()
        loop.advance()
    return now


def test_it_lies_down_while_the_loop_goes_on(loop):
    loop.begin_stop("over", 2.7)
    assert loop.stopping(2.7)
    now = 2.7
    while loop.stopping(now):
        now = run(loop, now, PERIOD)
    assert 1.5 < now - 2.7 < 4.0
    assert loop.modes.mode is LeggedMode.PASSIVE
    np.testing.assert_allclose(loop.state.joint_position, ROBOT.lying, atol=0.3)


def test_an_emergency_stop_meanwhile_is_served_at_once(loop):
    loop.begin_stop("over", 2.7)
    now = run(loop, 2.7, 0.5)
    emergency_stop(loop, "button", now)
    now = run(loop, now, 2 * PERIOD)
    assert loop.modes.mode is LeggedMode.ESTOP
    assert not loop.stopping(now)


def test_a_robot_that_does_not_come_to_rest_is_not_waited_for(loop):
    loop.begin_stop("over", 2.7)
    assert not loop.stopping(2.7 + 6.0)
