"""What somebody who brings a checkpoint, an arm or a data set may get wrong is one line.

Nothing is connected, simulated or sent before it is said.
"""

import json
import os
import shutil

import pytest
import torch
import yaml
from lerobot_checkpoints import write

from robot_policies.catalog import load_robot
from robot_policies.cli.app import main
from robot_policies_sim.engines.mujoco.backend import MujocoBackend

ROBOT = load_robot("so101")
TASK = ["--task", "tabletop_place", "--backend", "mujoco"]
SIZE = 96  # px; of the table's cameras
MOTOR = {"id": 1, "drive_mode": 0, "homing_offset": 0, "range_min": 0, "range_max": 4000}


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    folder = tmp_path_factory.mktemp("right") / "act"
    return write(folder, "act", ROBOT.joint_names, "so101", SIZE)


@pytest.fixture
def folder(right, tmp_path):
    """Return a checkpoint to spoil; its weights are those of the right one."""
    return shutil.copytree(right, tmp_path / "act", copy_function=os.link)


@pytest.fixture(autouse=True)
def nothing_moves(monkeypatch):
    def move(*arguments, **options):
        raise AssertionError("something would move")

    for verb in ("connect", "reset", "write"):
        monkeypatch.setattr(MujocoBackend, verb, move)


@pytest.fixture
def complaint(capfd):
    """Return what a command says before it gives up."""

    def complaint(*words) -> str:
        capfd.readouterr()  # what LeRobot said while a test was made ready
        assert main([str(word) for word in words]) in (2, 3)
        lines = capfd.readouterr().err.strip().splitlines()
        assert len(lines) == 1, lines
        return lines[0]

    return complaint


def edit(path, change):
    data = yaml.safe_load(path.read_text())
    change(data)
    path.unlink()  # a link to the right one
    path.write_text(json.dumps(data))


def in_unit(unit):
    def change(contract):
        contract["observation"]["observation.state"]["unit"] = unit
        contract["action"]["unit"] = unit

    return change


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("rad", "observation.state"),
        ("%", "says %, but the numbers reach from"),
    ],
)
def test_units_that_the_statistics_contradict(folder, complaint, unit, said):
    edit(folder / "contract.yaml", in_unit(unit))
    assert said in complaint("run", "--policy", folder, *TASK)


@pytest.mark.parametrize(
    ("motors", "said"),
    [
        (dict.fromkeys(ROBOT.joint_names, {**MOTOR, "range_max": 9000}), "another motor?"),
        (dict.fromkeys(ROBOT.joint_names, {**MOTOR, "model": "scs0009"}), "has 1024 steps"),
        (dict.fromkeys(("a", "b"), MOTOR), "shoulder_pan"),
        (None, "calibration.json is missing"),
    ],
)
def test_a_calibration_of_another_arm_or_motor(folder, complaint, motors, said):
    edit(folder / "contract.yaml", in_unit("m100"))
    if motors:
        (folder / "calibration.json").write_text(json.dumps(motors))
    assert said in complaint("run", "--policy", folder, *TASK)


@pytest.mark.parametrize("name", ["policy_preprocessor.json", "policy_postprocessor.json"])
def test_a_checkpoint_without_processors(folder, complaint, name):
    (folder / name).unlink()
    said = complaint("run", "--policy", folder, *TASK)
    assert f"{name} is missing" in said
    assert "robot-policies migrate" in said


def test_cameras_of_another_size(right, tmp_path, complaint):
    small = write(tmp_path / "small", "act", ROBOT.joint_names, "so101", 48)
    said = complaint("run", "--policy", small, *TASK)
    assert "observation.images.top: the policy needs (48, 48, 3), the robot gives (96, 96" in said


def test_a_base_that_is_not_the_adapters(folder, tmp_path, complaint):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    shutil.copy(folder / "config.json", adapter)
    trained = {"base_model_name_or_path": "me/base", "peft_type": "LORA"}
    (adapter / "adapter_config.json").write_text(json.dumps(trained))
    said = complaint("run", "--policy", adapter, *TASK)
    assert "name its base with --base or base:=; it was trained on 'me/base'" in said
    edit(folder / "config.json", lambda config: config.update(type="diffusion"))
    said = complaint("run", "--policy", adapter, "--base", folder, *TASK)
    assert "is an adapter for act, the base" in said
    assert "is diffusion; it was trained on 'me/base'" in said


def test_a_data_set_of_another_robot(tmp_path, complaint):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    vector = {"dtype": "float32", "shape": (6,), "names": [f"{j}.pos" for j in ROBOT.joint_names]}
    made = LeRobotDataset.create(
        "me/koch",
        fps=30,
        root=tmp_path / "koch",
        robot_type="koch_follower",
        use_videos=False,
        features={"observation.state": vector, "action": vector},
    )
    row = torch.zeros(6).numpy()
    made.add_frame({"observation.state": row, "action": row, "task": "wave"})
    made.save_episode()
    made.finalize()
    unit = ["--unit", "deg", "--unit", "gripper=%"]
    assert "koch_follower" in complaint("data", "replay", made.root, *TASK, *unit)
    option = f"dataset={made.root}"
    backend = ["--robot", "so101", "--backend", "replay", "--option", option]
    assert "koch_follower" in complaint("run", "--policy", "hold", *backend, "--seconds", "1")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 ..."),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB).\nTried to ..."),
    ],
    ids=["cuda", "mps"],
)
def test_a_device_that_is_full(folder, complaint, monkeypatch, error):
    def full(*arguments, **options):
        raise error

    monkeypatch.setattr(torch.nn.Module, "to", full)  # stands for a GPU that is not there
    assert "is full: " + str(error).splitlines()[0] in complaint("run", "--policy", folder, *TASK)


def test_half_precision_that_there_is_not(folder, complaint):
    said = complaint("run", "--policy", folder, "--dtype", "half", *TASK)
    assert "no dtype 'half'" in said
