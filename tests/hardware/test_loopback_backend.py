"""The loopback does what it is told, no more, and says that its cameras are made up."""

import numpy as np
import pytest
from conformance import check_backend
from toy_robot import toy_robot

from robot_policies.catalog import load_robot, robots
from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    CommandMode,
    RobotBackend,
)
from robot_policies_hardware.loopback_backend import LoopbackBackend

PERIOD = 0.02  # s, toy_robot's


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loopback(clock: Clock) -> LoopbackBackend:
    camera = {"width": 64, "height": 48, "focal_length": 50.0, "link": "base"}
    spec = toy_robot({"shoulder": {}, "elbow": {}}, imu_link="base", cameras={"front": camera})
    backend = LoopbackBackend(spec, clock=clock)
    backend.connect()
    return backend


def command(*values: float, **more: object) -> Command:
    return Command(100.0, np.array(values), **more)


@pytest.mark.parametrize("robot", robots())
def test_keeps_the_contract_as_any_robot(robot):
    clock = Clock()
    spec = load_robot(robot)
    check_backend(lambda: LoopbackBackend(spec, clock=clock), wait=clock.wait)


def test_command_becomes_state_one_control_period_later(loopback, clock):
    loopback.write(command(0.3, -0.1))
    clock.now += PERIOD
    np.testing.assert_array_equal(loopback.read().joint_position, [0.3, -0.1])


def test_velocity_is_the_slope_of_the_position(loopback, clock):
    loopback.write(command(0.3, -0.1))
    clock.now += PERIOD / 4
    early = loopback.read()
    clock.now += PERIOD / 4
    late = loopback.read()
    slope = (late.joint_position - early.joint_position) / (late.stamp - early.stamp)
    np.testing.assert_allclose(slope, [10.0, -10.0])
    np.testing.assert_allclose(late.joint_velocity, slope)
    clock.now += PERIOD
    np.testing.assert_array_equal(loopback.read().joint_velocity, 0.0)


def test_velocity_command_runs_until_a_limit(loopback, clock):
    loopback.write(command(1.0, -2.0, kind=ActionKind.JOINT_VELOCITY))
    clock.now += 0.8
    state = loopback.read()
    np.testing.assert_allclose(state.joint_position, [0.9, -1.0])
    np.testing.assert_allclose(state.joint_velocity, [1.0, 0.0])


@pytest.mark.parametrize("end", ["damp", "stop"])
def test_damping_and_stopping_leave_the_joints_where_they_are(loopback, clock, end):
    loopback.write(command(0.3, -0.1))
    clock.now += PERIOD / 2
    if end == "damp":
        loopback.write(command(9.0, 9.0, mode=CommandMode.DAMP))
    else:
        loopback.stop("test")
    clock.now += 1.0
    state = loopback.read()
    np.testing.assert_allclose(state.joint_position, [0.2, 0.0], atol=1e-12)
    np.testing.assert_array_equal(state.joint_velocity, 0.0)


def test_every_stream_keeps_its_spec_and_carries_the_stamp(loopback, clock):
    clock.now = 123.5
    state = loopback.read()
    assert state.stamp == 123.5
    assert state.features.keys() == state.stamps.keys()
    assert {"observation.state", *state.features} == loopback.provides.keys()
    for name, value in state.features.items():
        loopback.provides[name].validate(value)
        assert state.stamps[name] == 123.5


def test_camera_shows_the_missing_texture(loopback):
    picture = loopback.read().features["observation.images.front"]
    assert picture[0, 0].tolist() == [255, 0, 255]
    assert picture[0, 16].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        command(np.nan, 0.0),
        command(3.0, 0.0),
        command(0.0),
        command(0.0, 0.0, kind=ActionKind.CARTESIAN_DELTA),
    ],
)
def test_refuses_what_no_motor_should_receive(loopback, wrong):
    with pytest.raises(BackendError, match="loopback"):
        loopback.write(wrong)


def test_is_a_backend_that_must_be_connected(loopback):
    assert isinstance(loopback, RobotBackend)
    loopback.close()
    loopback.close()
    loopback.stop("after close")
    with pytest.raises(BackendError, match="read before connect"):
        loopback.read()
