"""Many arms at once are as many single ones."""

import numpy as np
import pytest

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.interface import ActionKind, Command, Simulator
from robot_policies.interface.observation import ENVIRONMENT_STATE, STATE
from robot_policies_sim.worlds.planar_arm.batch import ArmBatch, run_trials
from robot_policies_sim.worlds.planar_arm.reach_avoid import ArmReachAvoid

ARM = load_robot("planar_arm")
PERIOD = 1.0 / ARM.control_rate


def task_of(name: str) -> ArmReachAvoid:
    task = load_task(name)
    assert isinstance(task, ArmReachAvoid)
    return task


@pytest.mark.parametrize("name", ["arm_reach_avoid", "arm_reach_avoid/push", "arm_shifted"])
def test_they_move_as_the_simulator_does(name):
    task, seeds = task_of(name), (0, 1, 2)
    initials = [task.initial(seed) for seed in seeds]
    arms = ArmBatch(task, ARM, initials)
    speeds = np.random.default_rng(0).uniform(-1.0, 1.0, (12, len(seeds), 4))
    for speed in speeds:
        arms.step(speed)
    backend = make_backend("mujoco", ARM, task.scene)
    assert isinstance(backend, Simulator)
    backend.connect()
    for i, initial in enumerate(initials):
        state = backend.reset(0, initial)
        for speed in speeds:
            backend.write(Command(state.stamp, speed[i], ActionKind.JOINT_VELOCITY))
            backend.advance(PERIOD)
            state = backend.read()
        measured = np.concatenate([state.joint_position, state.joint_velocity])
        features = {feature: values[i] for feature, values in arms.features().items()}
        np.testing.assert_allclose(features[STATE], measured, atol=1e-5)
        told = state.features[ENVIRONMENT_STATE]
        np.testing.assert_allclose(features[ENVIRONMENT_STATE], told, atol=1e-5)
    backend.close()


def test_trials_are_judged_each_for_itself():
    task = task_of("arm_reach_avoid/avoid")
    still = run_trials(task, ARM, lambda seen: np.zeros((len(seen[STATE]), 4)), range(4))
    assert not still["success"].any()
    assert (still["time"] > task.horizon - 0.1).all()
    turned = run_trials(task, ARM, lambda seen: np.tile([1.5, 0, 0, 0], (4, 1)), range(4))
    assert 0.0 < turned["success"].mean() <= 1.0
    assert turned["collision"].shape == (4,)
