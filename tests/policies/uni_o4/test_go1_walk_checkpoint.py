"""The shipped walk, through the same loop that drives a robot."""

import numpy as np
import pytest

from robot_policies.catalog import load_robot, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.interface.observation import VELOCITY_COMMAND
from robot_policies.policies.catalog import load_policy
from robot_policies_sim.worlds.go1.reward import HIGHEST, LOWEST
from robot_policies_sim.worlds.go1.walk import Go1Walk

GO1 = load_robot("go1")


@pytest.fixture(scope="module")
def policy():
    return load_policy("uni_o4/go1_walk", robot=GO1)


def walk(policy, command, backend="mujoco", seconds=4.0):
    task = Go1Walk("walk", commands=[command], friction=(0.6, 0.6), horizon=seconds)
    simulator = make_backend(backend, GO1, task.scene)
    simulator.connect()
    try:
        return run_episode(simulator, policy, task, seed=0)
    finally:
        simulator.close()


def test_needs_only_what_the_robot_measures(policy):
    assert policy.robot == "go1"
    provided = dict(GO1.streams)
    for name, spec in policy.observation_spec.items():
        if name in provided:
            assert set(spec.names) <= set(provided[name].names)


@pytest.mark.parametrize("name", ["go1_walk", "go1_shifted"])
def test_the_commands_it_was_trained_with_are_those_it_takes(name):
    needed = load_policy(f"uni_o4/{name}", robot=GO1).observation_spec[VELOCITY_COMMAND]
    np.testing.assert_array_equal(needed.lower, LOWEST)
    np.testing.assert_array_equal(needed.upper, HIGHEST)


def test_the_statistics_hold_the_robots_default_pose(policy):
    mean = policy.statistics["action"].values["mean"]
    order = [GO1.joint_names.index(name) for name in policy.action_spec.array.names]
    np.testing.assert_allclose(mean, GO1.default[order], atol=1e-6)


@pytest.mark.parametrize(
    ("command", "backend"),
    [((0.5, 0.0, 0.5), "mujoco"), ((0.8, 0.0, 0.0), "pybullet"), ((0.0, 0.0, 0.0), "mujoco")],
)
def test_walks_as_commanded_and_the_gate_never_objects(policy, command, backend):
    result = walk(policy, command, backend)
    assert result.metrics["fall"] == 0.0
    assert result.metrics["speed_error"] < 0.15
    assert result.metrics["yaw_rate_error"] < 0.15
    assert not result.refusals


def test_the_same_seed_walks_the_same_steps(policy):
    first, second = (walk(policy, (0.5, 0.0, 0.0), seconds=1.0) for _ in range(2))
    assert first.metrics == second.metrics
