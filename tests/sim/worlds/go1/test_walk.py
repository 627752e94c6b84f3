"""The walking task: what it draws, and what it measures on walks made up by hand."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from conformance import check_task

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.interface import Command, RobotState
from robot_policies.interface.observation import IMU, VELOCITY_COMMAND
from robot_policies_sim.engines.stepped import SteppedSimulator
from robot_policies_sim.worlds.go1.trial import Go1WalkTrial

GO1 = load_robot("go1")
PERIOD = 0.02  # s
LEVEL = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.81])


def state(
    time: float, velocity: np.ndarray, height: float = 0.3, **change: np.ndarray
) -> RobotState:
    truth: dict[str, np.ndarray] = {
        "base_position": np.array([velocity[0] * time, velocity[1] * time, height]),
        "base_orientation": LEVEL[:4],
        "base_velocity": np.array([velocity[0], velocity[1], 0.0]),
        "base_angular_velocity": np.array([0.0, 0.0, velocity[2]]),
    }
    return RobotState(
        stamp=100.0 + time,
        joint_position=GO1.default,
        joint_velocity=np.full(12, 0.5),
        joint_effort=np.full(12, -2.0),
        features={IMU: LEVEL},
        truth=truth | change,
    )


def walk(
    trial: Go1WalkTrial, seconds: float, velocity: Callable[[float], np.ndarray] | list[float]
) -> dict[str, float]:
    for i in range(round(seconds / PERIOD)):
        time = i * PERIOD
        now = np.array(velocity if isinstance(velocity, list) else velocity(time))
        trial.observe(state(time, now), Command(time, GO1.default))
    return dict(trial.metrics())


def trial(command=(0.5, 0.0, 0.5)) -> Go1WalkTrial:
    return Go1WalkTrial(np.array(command), 10.0, GO1)


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_keeps_the_contract(engine):
    task = load_task("go1_walk")
    check_task(task, lambda: make_backend(engine, GO1, task.scene))


def test_seeds_go_through_the_commands_in_turn():
    task = load_task("go1_walk")
    commands = [task.initial(seed)["goal"][VELOCITY_COMMAND] for seed in range(5)]
    assert commands[:4] == [[0.5, 0.0, 0.0], [0.8, 0.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]
    assert commands[4] == commands[0]
    friction = [task.initial(seed)["friction"] for seed in range(100)]
    assert 0.4 <= min(friction) < 0.45
    assert 0.95 < max(friction) <= 1.0


def test_an_exact_walk_has_no_error():
    metrics = walk(trial(), 10.0, [0.5, 0.0, 0.5])
    assert metrics["success"] == 1.0
    assert metrics["fall"] == 0.0
    assert metrics["speed_error"] == pytest.approx(0.0, abs=1e-9)
    assert metrics["yaw_rate_error"] == pytest.approx(0.0, abs=1e-9)
    assert metrics["power"] == pytest.approx(12 * 2.0 * 0.5)
    assert metrics["distance"] == pytest.approx(0.5 * 9.5)  # whole strides only


def test_a_walk_of_any_length_takes_the_same_memory():
    one = Go1WalkTrial(np.array([0.5, 0.0, 0.5]), 1e4, GO1)
    seen = [state(k * PERIOD, np.array([0.5, 0.0, 0.5])) for k in range(1200)]
    for now in seen[:200]:
        one.observe(now, Command(0.0, GO1.default))
    tracemalloc.start()
    try:
        for now in seen[200:]:
            one.observe(now, Command(0.0, GO1.default))
        assert tracemalloc.get_traced_memory()[0] < 10_000, "bytes; 300,000 if steps were kept"
    finally:
        tracemalloc.stop()


def test_a_constant_error_is_the_error():
    metrics = walk(trial(), 10.0, [0.8, -0.4, 0.4])
    assert metrics["speed_error"] == pytest.approx(0.5)
    assert metrics["yaw_rate_error"] == pytest.approx(0.1)
    assert metrics["success"] == 0.0


def test_swaying_with_the_stride_is_no_error_but_a_late_start_is_forgiven():
    def swaying(time: float) -> np.ndarray:
        sway = 0.3 * np.sin(2 * np.pi * 2.0 * time)
        return np.array([0.5 + sway, sway, 0.5 + sway]) * (time > 1.4)

    metrics = walk(trial(), 10.0, swaying)
    assert metrics["speed_error"] < 1e-9
    assert metrics["success"] == 1.0


def test_a_pause_longer_than_a_stride_is_judged_by_what_was_measured_after_it():
    one = trial()
    for time in (*np.arange(0.0, 2.5, PERIOD), *np.arange(4.0, 10.0, PERIOD)):
        one.observe(state(time, [0.5, 0.0, 0.5]), None)
    assert one.metrics()["speed_error"] == pytest.approx(0.0, abs=1e-9)
    assert one.metrics()["success"] == 1.0


def test_a_fall_decides_the_trial():
    one = trial()
    walk(one, 3.0, [0.5, 0.0, 0.5])
    assert not one.done()
    one.observe(state(3.0, np.zeros(3), height=0.15), None)
    assert one.done()
    assert one.metrics()["fall"] == 1.0
    assert one.metrics()["success"] == 0.0
    assert one.progress() == pytest.approx(0.3)


@pytest.mark.parametrize(("angle", "fallen"), [(0.9, False), (0.95, True), (np.pi, True)])
def test_tilting_over_is_a_fall(angle, fallen):
    turned = np.array([np.sin(angle / 2), 0.0, 0.0, np.cos(angle / 2)])
    one = trial()
    one.observe(state(0.0, np.zeros(3), base_orientation=turned), None)
    assert one.done() == fallen


def test_what_cannot_be_measured_is_left_out():
    one = trial()
    for i in range(200):
        one.observe(RobotState(i * PERIOD, GO1.default, np.zeros(12), features={IMU: LEVEL}), None)
    assert one.metrics().keys() == {"success", "fall", "yaw_rate_error"}
    assert one.metrics()["success"] == 0.0


def test_standing_as_asked_is_rewarded_alike_in_both_engines():
    task, rewards = load_task("go1_walk"), []
    initial = task.initial(3)
    for engine in ("mujoco", "pybullet"):
        backend = make_backend(engine, GO1, task.scene)
        assert isinstance(backend, SteppedSimulator)
        backend.connect()
        measured, one = backend.reset(3, initial), task.start(initial)
        for _ in range(150):
            sent = backend.write(Command(backend.time, GO1.default))
            one.observe(measured, sent)
            backend.advance(PERIOD)
            measured = backend.read()
        backend.close()
        assert one.metrics()["speed_error"] < 0.05
        rewards.append(one.metrics()["reward_per_step"])
    assert rewards[0] > 1.0
    assert rewards[0] == pytest.approx(rewards[1], abs=0.3)


@pytest.mark.parametrize(
    ("heights", "fallen"),
    [
        ([0.15, 0.17, 0.3], False),  # four real logs begin so
        ([0.15, 0.17, 0.15], True),
        ([0.3, 0.15], True),
        ([0.15] * 60, True),  # it does not rise
        ([np.nan], True),
    ],
)
def test_a_crouch_that_a_log_begins_in_is_no_fall(heights, fallen):
    task = load_task("go1_walk")
    trial = task.start(task.initial(0))
    for k, height in enumerate(heights):
        trial.observe(state(PERIOD * k, np.zeros(3), height), None)
    assert bool(trial.metrics()["fall"]) is fallen
