"""One list of what may differ, in initial conditions, in training and in identification."""

from dataclasses import fields

import numpy as np
import pytest

from robot_policies.catalog import load_robot, load_task
from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies_sim.scene.conditions import EpisodeConditions
from robot_policies_sim.scene.parameters import PARAMETERS, condition, ranges
from robot_policies_sim.scene.randomization import UNVARIED, Randomization

GO1, ARM = load_robot("go1"), load_robot("so101")


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_is_a_condition_and_drawn_where_it_says_so(name):
    known = PARAMETERS[name]
    by_name = {field.name: field.default for field in fields(EpisodeConditions)}
    assert by_name[known.condition] == known.nominal
    assert set(known.ranges) <= set(vars(Randomization()))
    for each in known.ranges if known.nominal is not None else ():
        assert np.all(np.array(getattr(UNVARIED, each)) == known.nominal)
        drawn = Randomization().within({each: known.bounds})
        assert np.max(getattr(drawn, each)) == known.bounds[1]


@pytest.mark.parametrize("robot", [GO1, ARM], ids=["go1", "so101"])
def test_a_condition_changes_the_joints_of_any_robot(robot):
    values = {"joint_friction": 3.0, "armature": 0.5, "joint_damping": 2.0}
    changed = EpisodeConditions(**condition(values, robot)).robot(robot)
    for before, after in zip(robot.joints, changed.joints, strict=True):
        assert after.friction == pytest.approx(3.0 * before.friction)
        assert after.armature == pytest.approx(0.5 * before.armature)
        assert after.damping == pytest.approx(2.0 * before.damping)


def test_a_latency_is_whole_periods_of_the_robot():
    assert condition({"latency": 0.041}, GO1) == {"latency_steps": 2}
    assert ranges({"latency": (0.0, 0.011)}, GO1) == {"latency": (0, 2)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"joint_friction": -1.0},
        {"armature": 0.0},
        {"gain": 0.0},
        {"push": -1.0},
        {"camera_turn": -1},
    ],
)
def test_what_no_joint_has_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"initial: {name}"):
        EpisodeConditions(**wrong).check(GO1)


def test_training_draws_from_given_ranges_and_refuses_others():
    task = load_task("go1_walk")
    environment = task.training_environment(2, 0, 1, {"gain": (0.5, 0.5), "armature": (2, 2)})
    robots = environment._fleet.robots
    assert (robots.stiffness == 0.5 * GO1.gains["policy"].stiffness).all()
    heavy, plain = (model.dof_armature[6:] for model in (robots.models[0], robots.nominal))
    assert heavy == pytest.approx(2.0 * plain)
    environment.close()
    with pytest.raises(UnknownNameError, match="Did you mean 'gain'"):
        task.training_environment(2, 0, 1, {"gian": (1.0, 1.0)})
    with pytest.raises(ConfigError, match="gain: expected two numbers"):
        task.training_environment(2, 0, 1, {"gain": (1.0,)})
    with pytest.raises(ConfigError, match="draws nothing about its robots"):
        load_task("go1_shifted").training_environment(2, 0, 1, {"gain": (1.0, 1.0)})
