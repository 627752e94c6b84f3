"""A robot that is not what it was trained as, alike in both ways of simulating it."""

import json

import numpy as np
import pytest
from conformance import check_task

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.interface import Command, ConfigError, UnknownNameError
from robot_policies.interface.observation import VELOCITY_COMMAND
from robot_policies_sim.worlds.go1.shifted_env import ShiftedVectorEnv, shifted
from robot_policies_sim.worlds.go1.vector_env import Go1VectorEnv

GO1 = load_robot("go1")


def test_all_shifts_or_one():
    everything = load_task("go1_shifted").initial(0)
    assert {k: everything[k] for k in ("payload", "friction", "motor_strength", "softness")} == {
        "payload": 3.0,
        "friction": 0.5,
        "motor_strength": 0.8,
        "softness": 0.06,
    }
    one = load_task("go1_shifted/payload").initial(0)
    assert one["payload"] == 3.0
    assert one["friction"] == 0.8
    assert one["latency_steps"] == 0
    assert not {"motor_strength", "softness"} & one.keys()


def test_latency_is_one_or_two_steps():
    drawn = {load_task("go1_shifted").initial(seed)["latency_steps"] for seed in range(12)}
    assert drawn == {1, 2}


def test_an_unknown_shift_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'payload'"):
        load_task("go1_shifted/paylod")


def test_the_task_keeps_its_contract():
    check_task(load_task("go1_shifted"))


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_both_engines_take_every_shift(engine):
    task = load_task("go1_shifted")
    backend = make_backend(engine, GO1, task.scene)
    backend.connect()
    try:
        backend.reset(0, task.initial(0))
        backend.write(Command(0.0, GO1.default))
        backend.advance(0.02)
        assert np.isfinite(backend.read().joint_position).all()
    finally:
        backend.close()


def test_training_and_task_shift_the_same_numbers():
    task = load_task("go1_shifted")
    ranges = shifted(task.conditions, load_robot("go1"))
    assert ranges.payload == (3.0, 3.0)
    assert ranges.friction == (0.5, 0.5)
    assert ranges.gain == ranges.strength == (0.8, 0.8)
    assert ranges.softness == (0.06, 0.06)
    assert ranges.push == ranges.velocity_noise == 0.0
    with pytest.raises(ConfigError, match="training does not draw 'link_mass'"):
        shifted({"link_mass": 3.0}, load_robot("go1"))


def test_each_task_has_its_environment_and_a_shifted_one_its_commands():
    task = load_task("go1_shifted")
    shifts = task.training_environment(10, seed=0, threads=1)
    plain = load_task("go1_walk").training_environment(2, seed=0, threads=1)
    try:
        assert isinstance(shifts, ShiftedVectorEnv)
        assert type(plain) is Go1VectorEnv
        told = shifts.reset(seed=0)[0][VELOCITY_COMMAND]
        np.testing.assert_allclose(told[::2], [*task.commands, task.commands[0]], rtol=1e-6)
        np.testing.assert_array_equal(told[::2], told[1::2])  # once with each latency
    finally:
        shifts.close()
        plain.close()


def test_a_target_is_taken_up_as_late_as_said():
    """Robots of 0, 1 and 2 periods of latency part from those that rest, one after the other."""
    moving, resting = (ShiftedVectorEnv(GO1, 3, {}, (0, 2), seed=0, threads=1) for _ in range(2))
    try:
        for env in (moving, resting):
            env.reset(seed=0)
        rest, parted = resting._fleet.target.copy(), []
        for _ in range(3):
            moving.step(rest + 0.3)
            resting.step(rest)
            parted.append((moving._fleet.state != resting._fleet.state).any(1).tolist())
        assert parted == [[True, False, False], [True, True, False], [True, True, True]]
    finally:
        moving.close()
        resting.close()
    with pytest.raises(ConfigError, match="at most 2"):
        ShiftedVectorEnv(GO1, 3, {}, (1, 3), seed=0, threads=1)


def test_a_snapshot_holds_the_targets_on_the_way():
    env = ShiftedVectorEnv(GO1, 2, {"payload": 3.0}, (1, 2), seed=0, threads=1)
    try:
        env.reset(seed=0)
        env.step(env._fleet.target + 0.1)
        arrays, chance = env.snapshot()
        assert "held" in arrays
        json.loads(chance)
        _, first, *_ = env.step(env._fleet.target)
        env.restore(arrays, chance)
        _, again, *_ = env.step(env._fleet.target)
        np.testing.assert_array_equal(first, again)
    finally:
        env.close()
