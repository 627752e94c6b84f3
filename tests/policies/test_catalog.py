"""A policy without weights holds still on any robot, and nothing heavy is imported for it."""

import subprocess
import sys

import numpy as np
import pytest
from conformance import check_policy
from toy_robot import toy_robot

from robot_policies.catalog import load_robot, robots
from robot_policies.interface import (
    ArraySpec,
    ConfigError,
    Observation,
    Policy,
    RobotSpec,
)
from robot_policies.policies import catalog


@pytest.fixture
def robot() -> RobotSpec:
    return toy_robot({"slide": {"sliding": True}, "turn": {}})


def observe(stamp: float, *position: float) -> Observation:
    name = "observation.state"
    return Observation({name: np.array(position)}, {name: stamp})


def test_hold_targets_the_position_measured_first(robot):
    policy = catalog.load_policy("hold", robot=robot)
    assert isinstance(policy, Policy)
    assert policy.action_spec.array.names == ("slide", "turn")
    assert policy.action_spec.array.units == ("m", "rad")
    policy.reset(0)
    policy.act(observe(1.0, 0.25, -0.5))
    chunk = policy.act(observe(1.02, 0.2, -0.6))
    policy.action_spec.validate(chunk)
    np.testing.assert_array_equal(chunk.values, [[0.25, -0.5]])
    assert chunk.stamp == 1.02
    policy.reset(0)
    np.testing.assert_array_equal(policy.act(observe(2.0, 0.2, -0.6)).values, [[0.2, -0.6]])


@pytest.mark.parametrize("name", robots())
def test_hold_keeps_the_contract_on_any_robot(name):
    check_policy(catalog.load_policy("hold", robot=load_robot(name)))


def test_hold_reads_positions_by_name(robot):
    spec: ArraySpec = catalog.load_policy("hold", robot=robot).observation_spec[
        "observation.state"
    ]
    assert spec.names == ("slide.pos", "turn.pos")


def test_hold_needs_a_robot():
    with pytest.raises(ConfigError, match="give a robot"):
        catalog.load_policy("hold")


def test_holding_needs_neither_torch_nor_lerobot():
    code = (
        "import sys; from robot_policies.policies import catalog, hold, locate; locate.policies();"
        "print([m for m in ('torch', 'lerobot', 'huggingface_hub') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
