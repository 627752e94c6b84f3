"""A legged robot is stopped by a state: simulated time goes on, and so does whoever watches it."""

import numpy as np
import pytest

from robot_policies.catalog import load_robot, make_backend
from robot_policies.control.legged import LeggedSimulator
from robot_policies.control.mode_table import LeggedMode
from robot_policies.interface import Command, CommandMode, OrderlyBackend, RobotBackend

STANDING = 0.25  # m; the base of a Go1 that is up


@pytest.fixture(params=["mujoco", "pybullet"])
def go1(request):
    backend = make_backend(request.param, load_robot("go1"), modes=True)
    assert isinstance(backend, LeggedSimulator)
    backend.connect()
    backend.reset(0, {})
    advance(backend, 0.1)
    assert backend.modes.request(LeggedMode.STAND) == ""
    advance(backend, 2.5)
    assert height(backend) > STANDING
    yield backend
    backend.close()


def advance(backend, seconds, beat=False):
    period = 1.0 / backend.spec.control_rate
    for _ in range(round(seconds / period)):
        state = backend.read()
        if beat:
            backend.modes.beat()
        backend.write(Command(state.stamp, state.joint_position, mode=CommandMode.HOLD))
        backend.advance(period)


def height(backend):
    return float(backend.read().truth["base_position"][2])


def test_it_lies_when_it_has_stopped_although_the_operator_fell_silent(go1):
    advance(go1, 0.2, beat=True)
    go1.begin_stop("the trial is over")
    seen = []
    while go1.stopping:
        advance(go1, 0.02)
        seen.append(go1.modes.mode)
        assert go1.modes.mode is not LeggedMode.ESTOP, go1.modes.reason
        assert go1.read().stamp < 6.0
    assert list(dict.fromkeys(seen)) == ["lie_down", "passive"]  # it stood long enough before
    assert height(go1) < STANDING / 2.0
    assert np.abs(go1.read().joint_velocity).max() < 1.0
    assert go1.read().fault == ""


def test_stopping_at_once_damps_where_it_is(go1):
    go1.begin_stop("the trial is over")
    advance(go1, 0.1)
    go1.stop("~/estop was called")
    assert not go1.stopping
    advance(go1, 0.02)
    assert go1.read().fault == "~/estop was called"
    sent = go1.write(Command(0.0, go1.spec.default, mode=CommandMode.HOLD))
    assert sent.mode is CommandMode.DAMP


def test_an_arm_has_nothing_to_do_before_it_is_stopped(go1):
    assert isinstance(go1, OrderlyBackend)
    arm = make_backend("loopback", load_robot("so101"))
    assert isinstance(arm, RobotBackend)
    assert not isinstance(arm, OrderlyBackend)
