"""Gains a policy expects are the robot's, or are chosen by name; then everybody uses them."""

import json
from pathlib import Path

import numpy as np
import pytest
from foreign_policies import ISAAC_MAP, JOINTS, write_isaac_lab, write_rl_sar

from robot_policies.cli.app import main
from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.episode import Job, forget_cells, open_cell
from robot_policies.evaluation.stages import refusals
from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.nodes.trial import TrialRun
from robot_policies.nodes.trial_settings import SETTINGS
from robot_policies.policies.onnx_locomotion.importing import import_policy
from robot_policies.session import open_session

WANTED = [20.0, 21.0, 22.0] * 4  # in the order of go2's joints


@pytest.fixture
def policy(tmp_path):
    import_policy(write_isaac_lab(tmp_path / "made"), "go2", tmp_path / "out")
    return str(tmp_path / "out")


def test_other_gains_are_an_error_of_check(policy, capsys):
    words = ["check", "--policy", policy, "--robot", "go2", "--backend", "mujoco", "--json", "-"]
    assert main(words) == 1
    found = [f for f in json.loads(capsys.readouterr().out)["findings"] if f["code"] == "gains"]
    assert [f["level"] for f in found] == ["error"]
    expected = "FR_thigh_joint: the policy expects stiffness 21 N m/rad, go2 has 20"
    assert expected in found[0]["message"]
    assert main([*words, "--gains", "contract"]) == 0


def test_gains_of_the_robot_are_none(tmp_path):
    import_policy(write_rl_sar(tmp_path / "made"), "go2", tmp_path / "out")
    open_session(str(tmp_path / "out"), "mujoco", robot="go2").report().require()


@pytest.mark.parametrize("backend", ["mujoco", "pybullet", "unitree"])
def test_the_contracts_gains_reach_the_backend(policy, backend):
    session = open_session(policy, backend, robot="go2", gains="contract")
    assert session.report().errors == ()
    for robot in (session.robot, session.backend.spec):
        assert robot.gains["policy"].stiffness.tolist() == WANTED
        assert (robot.gains["hold"].stiffness == 60.0).all()
    assert session.policy.action_spec.gains.stiffness.tolist() == [WANTED[i] for i in ISAAC_MAP]


def test_an_evaluation_uses_them(policy):
    forget_cells()
    _, _, simulator = open_cell(
        policy, "go2_walk", "mujoco", gains=Condition(gains="contract").gains
    )
    assert simulator.spec.gains["policy"].stiffness.tolist() == WANTED
    forget_cells()
    with pytest.raises(UnknownNameError, match="no gains 'contracts'. Did you mean 'contract'"):
        Condition(gains="contracts")


def test_the_robots_node_uses_them(policy):
    settings = {name: setting.default for name, setting in SETTINGS.items()}
    settings |= {"policy": policy, "task": "go2_walk", "gains": "contract", "robot": "go2"}
    run = TrialRun(settings, 0.0)
    try:
        assert run.loop.robot.gains["policy"].stiffness.tolist() == WANTED
    finally:
        run.close()


def test_a_policy_that_says_no_gains_cannot_be_asked_for_them():
    with pytest.raises(ConfigError, match="says no 'gains'"):
        open_session("hold", "mujoco", robot="go2", gains="contract")


def test_the_order_of_joints_is_not_assumed(policy):
    session = open_session(policy, "mujoco", robot="go2", gains="contract")
    named = dict(zip(session.policy.action_spec.array.names, np.arange(12), strict=True))
    assert [named[name] for name in JOINTS] == [ISAAC_MAP.index(i) for i in range(12)]


def test_an_evaluation_is_looked_at_beforehand_with_its_own_contract_and_gains(policy, tmp_path):
    elsewhere = tmp_path / "elsewhere.yaml"
    (Path(policy) / "contract.yaml").rename(elsewhere)
    given = Condition(gains="contract", contract=str(elsewhere))
    jobs = [Job(policy, "go2_walk", "mujoco", 0, {}, c) for c in (given, Condition())]
    refused = refusals([job.opened for job in jobs])
    forget_cells()
    assert [*refused] == [jobs[1].opened]
    assert "contract.yaml is missing" in refused[jobs[1].opened]
