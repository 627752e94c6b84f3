"""A new checkpoint's contract comes from the data it learned from, and from no guess."""

import json

import numpy as np
import pytest
import yaml

from robot_policies.cli.app import main

JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
NAMES = [f"{joint}.pos" for joint in JOINTS]
SAID = ["--unit", "deg", "--unit", "gripper=%"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """As `lerobot-record` writes it: no units."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    vector = {"dtype": "float32", "shape": (6,), "names": NAMES}
    made = LeRobotDataset.create(
        "test/arm",
        fps=30,
        root=tmp_path_factory.mktemp("data") / "arm",
        robot_type="so_follower",
        use_videos=False,
        features={"observation.state": vector, "action": vector},
    )
    for _ in range(3):
        row = np.zeros(6, np.float32)
        made.add_frame({"observation.state": row, "action": row, "task": "wave"})
    made.save_episode()
    made.finalize()
    return made.root


@pytest.fixture
def checkpoint(tmp_path):
    shape = {"type": "STATE", "shape": [6]}
    config = {"input_features": {"observation.state": shape}, "output_features": {"action": shape}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_names_rate_and_robot_come_from_the_data_set(dataset, checkpoint, capfd):
    assert main(["contract", str(checkpoint), "--from", str(dataset), *SAID]) == 0
    assert "contract.yaml" in capfd.readouterr().out
    written = yaml.safe_load((checkpoint / "contract.yaml").read_text())
    assert (written["version"], written["robot"], written["task"]) == (2, "so101", False)
    assert written["dt"] == pytest.approx(1 / 30)
    assert written["observation"]["observation.state"]["names"] == NAMES
    assert written["action"]["names"] == JOINTS
    assert written["action"]["unit"] == ["deg"] * 5 + ["%"]
    assert written["action"]["kind"] == "joint_position"


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ([], "does not say the unit of 'shoulder_pan.pos'"),
        (["--unit", "gripper=%"], "does not say the unit of 'shoulder_pan.pos'"),
        (["--unit", "degree"], "no unit 'degree'. Did you mean 'deg'"),
        (["--unit", "deg", "--unit", "griper=%"], "so101 has no such joint"),
        ([*SAID, "--robot", "so100"], "no robot 'so100'"),
    ],
)
def test_what_nothing_says_is_asked_for_in_one_line(dataset, checkpoint, capfd, more, complaint):
    assert main(["contract", str(checkpoint), "--from", str(dataset), *more]) == 2
    said = capfd.readouterr().err.strip()
    assert complaint in said
    assert len(said.splitlines()) == 1
    assert not (checkpoint / "contract.yaml").exists()


def test_a_contract_that_is_there_stays(dataset, checkpoint, capfd):
    (checkpoint / "contract.yaml").write_text("robot: so101\n")
    assert main(["contract", str(checkpoint), "--from", str(dataset), *SAID]) == 3
    assert "is there already" in capfd.readouterr().err
    assert (checkpoint / "contract.yaml").read_text() == "robot: so101\n"


def test_the_data_set_is_the_one_that_lerobot_train_names(dataset, checkpoint, capfd):
    assert main(["contract", str(checkpoint), *SAID]) == 2
    assert "say what it was trained on with --from DATASET" in capfd.readouterr().err
    named = {"dataset": {"repo_id": "test/arm", "root": str(dataset)}}
    (checkpoint / "train_config.json").write_text(json.dumps(named))
    assert main(["contract", str(checkpoint), *SAID]) == 0
    assert yaml.safe_load((checkpoint / "contract.yaml").read_text())["action"]["names"] == JOINTS
