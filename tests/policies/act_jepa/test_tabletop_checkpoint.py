"""The shipped camera policy, through the same loop that drives a robot."""

import pytest

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.policies.catalog import load_policy

SO101, PLACE = load_robot("so101"), load_task("tabletop_place")


@pytest.fixture(scope="module")
def policy():
    return load_policy("act_jepa/tabletop_place", robot=SO101)


def attempts(policy, engine, seeds):
    simulator = make_backend(engine, SO101, PLACE.scene)
    simulator.connect()
    results = [run_episode(simulator, policy, PLACE, seed=seed) for seed in seeds]
    simulator.close()
    return results


def test_sees_two_cameras_and_reads_the_instruction(policy):
    assert set(policy.observation_spec) == {
        "observation.state",
        "observation.images.top",
        "observation.images.wrist",
    }
    assert len(policy.observation_spec.tasks) == 4
    assert policy.action_spec.executor == "splice"
    assert policy.action_spec.executed == 10


def test_places_cubes_it_has_not_seen_and_the_gate_never_objects(policy):
    results = attempts(policy, "mujoco", range(4))
    assert sum(result.metrics["success"] for result in results) >= 3
    assert not any(result.refusals for result in results)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "least"), [("mujoco", 14), ("pybullet", 3)])
def test_places_cubes_in_twenty_scenes(policy, engine, least):
    results = attempts(policy, engine, range(20))
    assert sum(result.metrics["success"] for result in results) >= least
