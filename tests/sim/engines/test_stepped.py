"""Both engines keep the backend contract with every robot, and are the same robot."""

from collections.abc import Iterator

import numpy as np
import pytest
from conformance import check_backend

from robot_policies.catalog import load_robot, make_backend, robots
from robot_policies.interface import (
    BackendError,
    Command,
    CommandMode,
    ConfigError,
    RobotState,
    UnknownNameError,
)
from robot_policies.interface.observation import IMU
from robot_policies_sim.engines.stepped import SteppedSimulator

ENGINES = ["mujoco", "pybullet"]
PERIOD = 0.02  # s, Go1's control period


@pytest.fixture(params=ENGINES)
def go1(request: pytest.FixtureRequest) -> Iterator[SteppedSimulator]:
    backend = connected(request.param)
    yield backend
    backend.close()


def connected(engine: str) -> SteppedSimulator:
    backend = make_backend(engine, load_robot("go1"))
    assert isinstance(backend, SteppedSimulator)
    backend.connect()
    return backend


def run(
    backend: SteppedSimulator, seconds: float, mode: CommandMode = CommandMode.HOLD
) -> RobotState:
    for _ in range(round(seconds / PERIOD)):
        backend.write(Command(backend.time, backend.spec.default, mode=mode))
        backend.advance(PERIOD)
    return backend.read()


@pytest.mark.parametrize("robot", robots())
@pytest.mark.parametrize("engine", ENGINES)
def test_keeps_the_contract(engine, robot):
    check_backend(lambda: make_backend(engine, load_robot(robot)))


def test_go1_stands_still_with_the_gains_of_hold(go1):
    go1.reset(0, {})
    early, late = run(go1, 2.0), run(go1, 1.0)
    position = late.truth["base_position"]
    assert 0.28 < position[2] < 0.325
    assert np.abs(position - early.truth["base_position"]).max() < 2e-3
    assert np.abs(late.joint_velocity).max() < 0.05
    feet = [late.truth[f"contact.{leg}_foot"][0] for leg in ("FR", "FL", "RR", "RL")]
    assert min(feet) > 10.0
    assert sum(feet) == pytest.approx(12.743448 * 9.81, rel=0.02)


def test_imu_at_rest_feels_gravity_upwards(go1):
    go1.reset(0, {})
    imu = run(go1, 3.0).features[IMU]
    np.testing.assert_allclose(imu[3], 1.0, atol=1e-3)
    np.testing.assert_allclose(imu[4:7], 0.0, atol=0.02)
    np.testing.assert_allclose(imu[7:], [0.0, 0.0, 9.81], atol=0.15)


def test_velocities_are_in_the_body_frame(go1):
    half = np.sqrt(0.5)
    state = go1.reset(
        0,
        {
            "base_position": [0.0, 0.0, 2.0],
            "base_orientation": [0.0, 0.0, half, half],  # turned left by a quarter
            "base_velocity": [1.0, 0.2, -0.1],
            "base_angular_velocity": [0.1, -0.2, 0.3],
        },
    )
    np.testing.assert_allclose(state.truth["base_velocity"], [1.0, 0.2, -0.1], atol=1e-6)
    np.testing.assert_allclose(state.truth["base_angular_velocity"], [0.1, -0.2, 0.3], atol=1e-6)
    np.testing.assert_allclose(state.features[IMU][4:7], [0.1, -0.2, 0.3], atol=1e-6)
    go1.advance(PERIOD)
    moved = go1.read().truth["base_position"] - [0.0, 0.0, 2.0]
    assert moved[1] > 0.015 > abs(moved[0]), "ahead is world y after the turn"


def test_damping_lets_the_robot_down_slowly(go1):
    go1.reset(0, {})
    run(go1, 1.0)
    go1.stop("test")
    heights = []
    for _ in range(100):
        go1.advance(PERIOD)
        heights.append(go1.read().truth["base_position"][2])
    assert heights[4] > 0.25, "it must not drop"
    assert heights[-1] < 0.15


def test_each_mode_tracks_with_its_own_gains(go1):
    sag = {}
    for mode in (CommandMode.POLICY, CommandMode.HOLD):
        go1.reset(0, {})
        sag[mode] = go1.spec.base_height - run(go1, 2.0, mode).truth["base_position"][2]
    assert sag[CommandMode.POLICY] > 2 * sag[CommandMode.HOLD]


def test_latency_delays_a_command_by_whole_control_steps(go1):
    responses = []
    for steps in (0, 2):
        go1.reset(0, {"base_position": [0.0, 0.0, 5.0], "latency_steps": steps})
        target = go1.spec.default + 0.2
        go1.write(Command(0.0, target))
        moved = []
        for _ in range(5):
            go1.advance(PERIOD)
            moved.append(go1.read().joint_position[0] - go1.spec.default[0])
        responses.append(moved)
    prompt, late = responses
    assert prompt[0] > 0.03
    assert abs(late[1]) < 0.01 < 0.03 < late[2]


def test_a_push_changes_the_velocity_when_it_is_due(go1):
    push = {"time": 0.1, "velocity": [0.0, 0.5, 0.0]}
    go1.reset(0, {"base_position": [0.0, 0.0, 5.0], "pushes": [push]})
    assert abs(run(go1, 0.1).truth["base_velocity"][1]) < 0.1
    assert run(go1, 0.02).truth["base_velocity"][1] == pytest.approx(0.5, abs=0.1)


def test_payload_and_motor_strength_change_the_robot(go1):
    go1.reset(0, {})
    nominal = run(go1, 2.0)
    go1.reset(0, {"payload": 3.0})
    loaded = run(go1, 2.0)
    weights = [
        sum(state.truth[f"contact.{leg}_foot"][0] for leg in ("FR", "FL", "RR", "RL"))
        for state in (nominal, loaded)
    ]
    assert weights[1] - weights[0] == pytest.approx(3.0 * 9.81, rel=0.1)
    go1.reset(0, {"motor_strength": 0.5})
    weak = run(go1, 2.0)
    assert weak.truth["base_position"][2] < nominal.truth["base_position"][2] - 0.005
    go1.reset(0, {})
    np.testing.assert_array_equal(run(go1, 2.0).joint_position, nominal.joint_position)


def test_friction_decides_whether_it_slides(go1):
    distance = {}
    for friction in (0.05, 1.0):
        go1.reset(0, {"friction": friction, "base_velocity": [1.0, 0.0, 0.0]})
        distance[friction] = run(go1, 1.0).truth["base_position"][0]
    assert distance[0.05] > distance[1.0] + 0.1


def test_soft_ground_gives_way(go1):
    heights = []
    for softness in (0.02, 0.06):
        go1.reset(0, {"softness": softness})
        heights.append(run(go1, 2.0).truth["base_position"][2])
    assert 0.004 < heights[0] - heights[1] < 0.008


def test_a_diverged_state_is_an_error_and_not_a_state():
    backend = connected("mujoco")
    backend.reset(0, {"base_velocity": [1e200, 0.0, 0.0]})
    with pytest.raises(BackendError, match="diverged"):
        backend.advance(50 * PERIOD)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"joint_position": {"FR_calf_joint": 0.0}}, r"\[FR_calf_joint\] = 0 is outside"),
        ({"payload": -10.0}, "payload"),
        ({"latency_steps": 0.5}, "latency_steps"),
        ({"latency_steps": -1}, "latency_steps"),
        ({"joint_position": {"FR_calf_joint": "bent"}}, "expected numbers"),
        ({"joint_velocity": {"FR_calf_joint": float("nan")}}, "finite"),
        ({"pushes": [{"time": 1.0}]}, "velocity"),
        ({"pushes": [{"when": 1.0}]}, "unknown key 'when'"),
        ({"motor_strength": 0.0}, "motor_strength"),
        ({"base_orientation": [0.0, 0.0, 0.0, 2.0]}, "unit quaternion"),
        ({"frictoin": 0.5}, "Did you mean 'friction'"),
        ({"friction": float("nan")}, "friction"),
    ],
)
def test_impossible_initial_conditions_are_named(go1, options, message):
    with pytest.raises(ConfigError, match=message):
        go1.reset(0, options)


def test_unknown_objects_are_named(go1):
    with pytest.raises(UnknownNameError, match="no object 'cube'"):
        go1.reset(0, {"objects": {"cube": [0.0] * 7}})


def test_a_command_beyond_a_limit_names_the_joint(go1):
    go1.reset(0, {})
    target = go1.spec.default.copy()
    target[2] = -0.5
    with pytest.raises(BackendError, match=r"FR_calf_joint\] = -0.5 is outside \[-2.818, -0.888"):
        go1.write(Command(0.0, target))


def test_the_engines_agree_on_a_swinging_leg():
    """Same torque law, same inertia: the free robot's joints move alike for a tenth of a second.

    Not closer, because PyBullet's rotors turn the trunk and MuJoCo's do not.
    """
    moved = []
    for engine in ENGINES:
        backend = connected(engine)
        backend.reset(0, {"base_position": [0.0, 0.0, 5.0]})
        backend.write(Command(0.0, backend.spec.default + 0.3))
        for _ in range(5):
            backend.advance(PERIOD)
        moved.append(backend.read().joint_position - backend.spec.default)
        backend.close()
    np.testing.assert_allclose(*moved, atol=0.08)
