"""A wrong unit in `contract.yaml` is found by the numbers, and by what the data set says."""

import json

import numpy as np
import pytest
import yaml

from robot_policies.interface import Statistics
from robot_policies.policies.audit import audit_dataset, audit_units
from robot_policies.policies.contract import Contract
from robot_policies.policies.contract_file import read_contract
from robot_policies.policies.files import CheckpointFiles
from robot_policies.policies.training_data import described

STATE = "observation.state"
JOINTS = ["shoulder_pan", "elbow_flex", "gripper"]
DEGREES = np.array([-60.0, -50.0, 0.0]), np.array([60.0, 50.0, 100.0])
RADIANS = np.array([-1.0, -0.9, 0.0]), np.array([1.0, 0.9, 1.75])
MODES = {"MIN_MAX": ("min", "max"), "QUANTILES": ("q01", "q99"), "QUANTILE10": ("q10", "q90")}


def contract(folder, unit=("deg", "deg", "%"), **more) -> Contract:
    data = {
        "version": 2,
        "robot": "so101",
        "dt": 1 / 30,
        "observation": {STATE: {"names": [f"{j}.pos" for j in JOINTS], "unit": [*unit]}},
        "action": {"names": JOINTS, "unit": [*unit]},
        **more,
    }
    (folder / "contract.yaml").write_text(yaml.safe_dump(data))
    return read_contract(folder / "contract.yaml", {STATE: 3}, 3)


def statistics(mode, lower, upper):
    if mode == "MEAN_STD":
        return Statistics(mode, {"mean": (lower + upper) / 2, "std": (upper - lower) / 2})
    low, high = MODES[mode]
    return Statistics(mode, {low: lower, high: upper})


@pytest.mark.parametrize("mode", ["MEAN_STD", *MODES])
@pytest.mark.parametrize(
    ("unit", "numbers", "verdict"),
    [
        (("deg", "deg", "%"), DEGREES, []),
        (("rad", "rad", "rad"), RADIANS, []),
        (("rad", "rad", "rad"), DEGREES, []),  # the robot's ranges tell
        (("deg", "deg", "%"), RADIANS, ["error", "warning"]),
        (("%", "%", "%"), DEGREES, ["error", "error"]),
        (("%", "%", "%"), RADIANS, ["warning"]),
        (("deg", "deg", "deg"), DEGREES, ["warning"]),  # no driver of LeRobot's counts so
    ],
)
def test_units_are_held_against_the_numbers(tmp_path, mode, unit, numbers, verdict):
    said = contract(tmp_path, unit)
    found = list(audit_units(said, {STATE: statistics(mode, *numbers)}, {}))
    assert [finding.level for finding in found] == verdict
    assert {finding.code for finding in found} <= {"contract_unit"}


def test_an_arm_that_hardly_moved_about_a_bent_pose_is_in_degrees(tmp_path):
    lower, upper = np.array([-2.0, 88.0, 50.0]), np.array([2.0, 92.0, 60.0])
    stats = {"action": statistics("MIN_MAX", lower, upper)}
    assert list(audit_units(contract(tmp_path), stats, {})) == []


def test_statistics_without_numbers_say_nothing(tmp_path):
    assert list(audit_units(contract(tmp_path), {STATE: Statistics("IDENTITY", {})}, {})) == []


@pytest.fixture
def trained(tmp_path):
    """Return a way to write a checkpoint's contract and the data set it names."""

    def trained(unit=("deg", "deg", "%"), **info):
        root = tmp_path / "data"
        (root / "meta").mkdir(parents=True, exist_ok=True)
        names = [f"{joint}.pos" for joint in JOINTS]
        vector = {"dtype": "float32", "shape": [3], "names": names, "unit": [*unit]}
        about = {
            "codebase_version": "v3.0",
            "fps": 30,
            "robot_type": "so101_follower",
            "features": {STATE: vector, "action": vector},
            "total_episodes": 1,
            "total_frames": 1,
            "data_path": "data",
            **info,
        }
        (root / "meta" / "info.json").write_text(json.dumps(about))
        named = {"dataset": {"repo_id": "me/data", "root": str(root)}}
        (tmp_path / "train_config.json").write_text(json.dumps(named))
        return [
            (f.level, f.code) for f in audit_dataset(CheckpointFiles(tmp_path), contract(tmp_path))
        ]

    return trained


def test_a_contract_that_says_what_its_data_set_says_is_right(trained):
    assert trained() == trained(robot_type="so_follower") == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"unit": ("rad", "rad", "rad")}, "dataset_unit"),
        ({"fps": 10}, "dataset_rate"),
        ({"robot_type": "koch_follower"}, "dataset_robot"),
    ],
)
def test_what_the_data_set_says_otherwise_is_an_error(trained, change, code):
    assert {("error", code)} == set(trained(**change))


def test_joints_in_another_order_are_an_error(trained):
    vector = {"dtype": "float32", "shape": [3], "names": [*reversed(JOINTS)]}
    assert trained(features={"action": vector}) == [("error", "dataset_names")]


def test_what_a_contract_leaves_out_is_what_the_data_set_says(trained, tmp_path):
    trained()
    (tmp_path / "contract.yaml").write_text(
        yaml.safe_dump(
            {"robot": "so101", "dt": 1 / 30, "action": {"names": JOINTS, "unit": "deg"}}
        )
    )
    known = described(CheckpointFiles(tmp_path), [STATE, "observation.effort"])
    found = read_contract(tmp_path / "contract.yaml", {STATE: 3}, 3, known=known)
    assert [*found.observation[STATE].written] == ["deg", "deg", "%"]
    vector = {"dtype": "float32", "shape": [3], "names": JOINTS}
    trained(features={STATE: vector})
    assert described(CheckpointFiles(tmp_path), [STATE]) == {}, "LeRobot's own say no units"


def test_a_data_set_that_cannot_be_read_is_a_warning(trained):
    assert trained(codebase_version="v2.1") == [("warning", "dataset")]


def test_a_data_set_that_is_elsewhere_is_not_looked_for(tmp_path):
    (tmp_path / "train_config.json").write_text('{"dataset": {"repo_id": "me/not_here"}}')
    assert list(audit_dataset(CheckpointFiles(tmp_path), contract(tmp_path))) == []
