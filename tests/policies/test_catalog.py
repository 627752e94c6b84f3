"""A name finds its policy, or the nearest name."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conformance import check_policy
from toy_robot import toy_robot

from robot_policies.catalog import load_robot, robots
from robot_policies.interface import (
    ArraySpec,
    CheckpointError,
    ConfigError,
    Observation,
    Policy,
    RobotSpec,
    UnknownNameError,
)
from robot_policies.policies import catalog


@pytest.fixture
def robot() -> RobotSpec:
    return toy_robot({"slide": {"sliding": True}, "turn": {}})


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkpoints" / "uni_o4" / "go1_walk"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(catalog, "share_directory", lambda: tmp_path)
    return tmp_path


def observe(stamp: float, *position: float) -> Observation:
    name = "observation.state"
    return Observation({name: np.array(position)}, {name: stamp})


def test_a_folder_called_as_a_launch_file_says_nothing_is_refused(tmp_path, monkeypatch):
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"call it ./none"):
        catalog.find_checkpoint("none")
    assert catalog.find_checkpoint("./none") == Path("none")


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


def test_lists_what_is_shipped(share):
    assert catalog.checkpoints() == ["uni_o4/go1_walk"]
    assert catalog.policies() == ["hold", "uni_o4/go1_walk"]
    assert catalog.find_checkpoint("uni_o4/go1_walk") == share / "checkpoints/uni_o4/go1_walk"


@pytest.mark.parametrize(
    ("name", "nearest"), [("hodl", "hold"), ("uni_o4/go1_wlak", "uni_o4/go1_walk")]
)
@pytest.mark.usefixtures("share")
def test_wrong_name_gets_the_nearest(name, nearest):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{nearest}'"):
        catalog.load_policy(name)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        catalog.load_policy(str(tmp_path / "nowhere"))


@pytest.mark.usefixtures("share")
def test_hub_is_not_asked_when_offline(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"(?s)no policy 'someone/act'.*cannot be reached"):
        catalog.load_policy("someone/act")


def test_holding_needs_neither_torch_nor_lerobot():
    code = (
        "import sys; from robot_policies.policies import catalog, hold; catalog.policies();"
        "print([m for m in ('torch', 'lerobot', 'huggingface_hub') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
