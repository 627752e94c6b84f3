"""Joint velocity commands and what a robot is told of its environment, in both engines."""

from collections.abc import Iterator

import numpy as np
import pytest

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    CommandMode,
    ConfigError,
)
from robot_policies.interface.observation import ENVIRONMENT_STATE
from robot_policies_sim.engines.stepped import SteppedSimulator

ARM = load_robot("planar_arm")
PERIOD = 1.0 / ARM.control_rate
SPEED = np.array([0.3, -0.2, 0.4, -0.4])  # rad/s
REACH = load_task("arm_reach_avoid")


@pytest.fixture(params=["mujoco", "pybullet"])
def arm(request: pytest.FixtureRequest) -> Iterator[SteppedSimulator]:
    backend = make_backend(request.param, ARM, REACH.scene)
    assert isinstance(backend, SteppedSimulator)
    backend.connect()
    backend.reset(0, {})
    yield backend
    backend.close()


def drive(arm: SteppedSimulator, speed, seconds: float, mode=CommandMode.POLICY) -> np.ndarray:
    for _ in range(round(seconds / PERIOD)):
        kind = ActionKind.JOINT_VELOCITY
        arm.write(Command(arm.time, np.asarray(speed), kind, mode))
        arm.advance(PERIOD)
    return arm.read().joint_position


def test_joints_move_at_the_speed_they_are_told_and_stop(arm):
    early = drive(arm, SPEED, 0.5).copy()
    late = drive(arm, SPEED, 0.5).copy()
    np.testing.assert_allclose((late - early) / 0.5, SPEED, atol=0.02)
    drive(arm, SPEED * 0.0, 0.5)
    assert np.abs(arm.read().joint_velocity).max() < 0.02


def test_a_speed_beyond_the_limit_names_the_joint(arm):
    with pytest.raises(BackendError, match=r"command\[elbow\] = 1.6 is outside \[-1.5, 1.5\]"):
        drive(arm, [0.0, 1.6, 0.0, 0.0], PERIOD)


def test_after_damping_the_arm_stays_where_it_came_to_lie(arm):
    drive(arm, SPEED, 0.5)
    drive(arm, SPEED * 0.0, 1.0, CommandMode.DAMP)
    lying = arm.read().joint_position.copy()
    held = drive(arm, SPEED * 0.0, 0.5, CommandMode.HOLD)
    np.testing.assert_allclose(held, lying, atol=1e-3)


def test_a_moving_target_stops_at_the_end_of_the_range(arm):
    arm.reset(0, {"joint_position": {"wrist": 2.8}})
    assert drive(arm, [0.0, 0.0, 0.0, 1.0], 0.5)[3] == pytest.approx(2.9, abs=0.02)


def test_the_robot_is_told_where_tracked_things_are(arm):
    spec = arm.provides[ENVIRONMENT_STATE]
    assert spec.names == ("goal.x", "goal.y", "obstacle.x", "obstacle.y")
    assert set(spec.units) == {"m"}
    poses = REACH.initial(3)["objects"]
    state = arm.reset(3, REACH.initial(3))
    expected = [*poses["goal"][:2], *poses["obstacle"][:2]]
    np.testing.assert_allclose(state.features[ENVIRONMENT_STATE], expected, atol=1e-6)
    assert state.stamps[ENVIRONMENT_STATE] == state.stamp


def test_heavier_links_and_stiffer_joints_change_the_robot(arm):
    shifts, steps = {"": {}, "mass": {"link_mass": 2.0}, "damping": {"joint_damping": 3.0}}, {}
    for name, shift in shifts.items():
        arm.reset(0, shift)
        steps[name] = drive(arm, [0.5, 0.0, 0.0, 0.0], 0.25)[0] - ARM.default[0]
    assert 0.0 < steps["mass"] < 0.95 * steps[""]
    assert 0.0 < steps["damping"] < 0.95 * steps[""]
    for wrong in ({"link_mass": 0.0}, {"joint_damping": -1.0}):
        with pytest.raises(ConfigError, match="link_mass|joint_damping"):
            arm.reset(0, wrong)
