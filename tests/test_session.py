"""A policy, a task, a robot and a backend are opened by name, and held against each other."""

import pytest

from robot_policies.interface import ConfigError, ContractError
from robot_policies.session import open_session
from robot_policies.stage import find_task, open_stage


@pytest.mark.parametrize(
    ("task", "robot", "message"),
    [
        (None, None, "neither a task nor a robot"),
        ("none", "", "neither a task nor a robot"),
        ("go1_walk", "so101", "'go1_walk' is for robot 'go1', not 'so101'"),
        ("go1_wlak", None, "Did you mean 'go1_walk'"),
        (None, "go2x", "Did you mean 'go2'"),
    ],
)
def test_names_that_do_not_go_together_are_refused(task, robot, message):
    with pytest.raises(ConfigError, match=message):
        open_stage("loopback", task, robot)


def test_a_robot_alone_is_asked_for_nothing():
    stage = open_stage("loopback", robot="go1", seconds=3.0, rate=25.0)
    assert stage.task is None
    assert (stage.asked.goals, stage.asked.horizon) == ((), 3.0)
    assert stage.robot.control_rate == stage.backend.spec.control_rate == 25.0
    assert find_task("none", "go1") == (None, "go1")


def test_what_keeps_its_own_time_is_no_simulator():
    with pytest.raises(ConfigError, match="'loopback' is no simulator"):
        _ = open_stage("loopback", "go1_walk").simulator
    assert open_stage("mujoco", "go1_walk").simulator.spec.name == "go1"


def test_goals_must_come_from_the_task_or_from_somebody_else():
    session = open_session("uni_o4/go1_walk", "mujoco", robot="go1")
    assert not session.report().errors  # a person may steer
    with pytest.raises(ContractError, match="task 'none' gives"):
        session.require()
    assert open_session("uni_o4/go1_walk", "mujoco", "go1_walk").require().task.name == "go1_walk"
