"""What a robot is told while it holds: an arm its last command, a legged robot to stand."""

import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.catalog import load_robot
from robot_policies.control.minimum_jerk import between, least_time
from robot_policies.control.resting import Resting
from robot_policies.control.safety import SafetyGate
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.interface import Action, ActionKind, CommandMode, RobotState

PERIOD = 0.02
LIMITS = SafetyLimits(settle_time=0.2)
JOINTS = {"thigh": {"default": 0.1}, "calf": {"default": -0.2}}
STRIDE = np.array([0.3, -0.4])


def held(robot, steps=40):
    """Walk for a step and then say nothing; return the commands that hold."""
    gate, names, kind = SafetyGate(robot, LIMITS), robot.joint_names, ActionKind.JOINT_POSITION
    first = RobotState(0.0, STRIDE, np.zeros(2))
    gate.check(Action(STRIDE, names, kind, 0.0), first, 0.0)
    states = (RobotState(k * PERIOD, STRIDE, np.zeros(2)) for k in range(1, steps))
    sent = [gate.check(None, state, state.stamp).command for state in states]
    return [command for command in sent if command.mode is CommandMode.HOLD]


def test_an_arm_stays_at_its_last_command():
    assert all((command.values == STRIDE).all() for command in held(toy_robot(JOINTS)))


def test_a_legged_robot_stands_at_its_default_pose_when_it_has_settled():
    robot = toy_robot(JOINTS, floating_base=True)
    values = np.array([command.values for command in held(robot)])
    np.testing.assert_allclose(values[9:], np.tile(robot.default, (len(values) - 9, 1)))
    steps = np.abs(np.diff([STRIDE, *values], axis=0))
    assert (steps <= robot.velocity * PERIOD).all()
    share = (values - STRIDE) / (robot.default - STRIDE)
    np.testing.assert_allclose(share[:, 0], share[:, 1])  # one line
    assert np.interp(0.1, (np.arange(10) + 1) * PERIOD, share[:10, 0]) == pytest.approx(0.5)


def test_before_its_first_action_a_legged_robot_stays_where_it_was_found():
    gate = SafetyGate(toy_robot(JOINTS, floating_base=True), LIMITS)
    for now in np.arange(0.0, 1.0, PERIOD):
        command = gate.check(None, RobotState(now, STRIDE, np.zeros(2)), now).command
        np.testing.assert_array_equal(command.values, STRIDE)


@pytest.mark.parametrize(("velocity", "acceleration"), [(2.0, 5.0), (0.5, 1e3)])
def test_who_may_not_be_quick_takes_longer(velocity, acceleration):
    limits = {"velocity": velocity, "acceleration": acceleration}
    slow = toy_robot({name: {**own, **limits} for name, own in JOINTS.items()}, floating_base=True)
    resting, now, values = Resting(slow, LIMITS), 0.0, [STRIDE, STRIDE]
    while not np.allclose(values[-1], slow.default):
        values.append(resting.target(values[-1], now))
        now += PERIOD
    speeds = np.diff(values, axis=0) / PERIOD
    assert np.abs(speeds).max() <= velocity * (1.0 + 1e-9)
    assert np.abs(np.diff(speeds, axis=0)).max() / PERIOD <= acceleration * (1.0 + 1e-9)
    assert now > LIMITS.settle_time + PERIOD


def test_the_least_time_is_where_speed_or_acceleration_touches_its_limit():
    way, velocity, acceleration = (
        np.array([1.0, -0.5]),
        np.array([2.0, 9.0]),
        np.array([50.0, 9.0]),
    )
    took = least_time(way, velocity, acceleration)
    times = np.linspace(0.0, took, 20001)
    path = np.array([between(np.zeros(2), way, time / took) for time in times])
    speed = np.gradient(path, times, axis=0)
    change = np.gradient(speed, times, axis=0)
    most = np.abs(speed).max(axis=0) / velocity, np.abs(change).max(axis=0) / acceleration
    assert max(share.max() for share in most) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("name", ["go1", "go2"])
def test_a_quadruped_has_settled_in_time_from_anywhere_in_its_gait(name):
    robot = load_robot(name)
    stride = np.clip(robot.default + 0.6, robot.lower, robot.upper)
    resting = Resting(robot, SafetyLimits.of(robot))
    values = [resting.target(stride, k / robot.control_rate) for k in range(10)]
    np.testing.assert_allclose(values[-1], robot.default)
