"""The shipped policy: it keeps the contract, looks, and pulls a sleeve on."""

import numpy as np
from conformance import check_policy

from robot_policies.catalog import load_task
from robot_policies.control.episode import run_episode
from robot_policies.interface import Simulator
from robot_policies.interface.observation import POINTS
from robot_policies.policies.catalog import load_policy
from robot_policies.stage import open_stage

NAME, TASK = "dressing/sleeve", load_task("dress_arm")


def test_keeps_the_contract_and_looks():
    policy = load_policy(NAME)
    check_policy(policy)
    one, other = (policy.observation_spec.example(np.random.default_rng(s)) for s in (0, 1))
    policy.reset(0)
    first = policy.act(one).values
    policy.reset(0)
    assert not np.allclose(policy.act(other).values, first)
    assert policy.observation_spec[POINTS].frame == "link_base"


def test_the_sleeve_goes_over_hand_and_elbow():
    stage = open_stage("mujoco", "dress_arm")
    simulator = stage.simulator
    assert isinstance(simulator, Simulator)
    simulator.connect()
    result = run_episode(simulator, load_policy(NAME, robot=stage.robot), TASK, seed=0)
    simulator.close()
    assert result.metrics["whole_arm_ratio"] > 0.75  # the elbow is at 0.56
    assert result.metrics["success"] == 1.0
    assert "force" not in result.refusals
