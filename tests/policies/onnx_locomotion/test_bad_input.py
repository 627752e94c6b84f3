"""What a foreign policy says that cannot be is one line that names file, key and nearest name."""

import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from foreign_policies import (
    isaac_lab,
    write_isaac_lab,
    write_rl_sar,
)
from onnx import TensorProto

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.onnx_locomotion.importing import import_policy

CONTRACT = "contract.yaml"


def refused(folder: Path, error: type[Exception], match: str, robot: str = "go2") -> None:
    out = folder.parent / "out"
    with pytest.raises(error, match=match) as caught:
        import_policy(folder, robot, out)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert [path for path in folder.parent.iterdir() if path.name.startswith("tmp")] == []


RL_SAR = {
    "observations: ['ang_vell']": "no term 'ang_vell'. Did you mean 'ang_vel'",
    "observations: []": "observations must be a list of terms",
    "observations: ['lin_vel']": "no term 'lin_vel'",
    "ang_vel_scale: .nan": "config.yaml: ang_vel_scale: expected 3 finite numbers, got nan",
    "dof_vel_scale: fast": "dof_vel_scale: expected numbers, got 'fast'",
    "rl_kp: [20.0]": "rl_kp: expected 12 finite numbers",
    "num_observations: 48": "num_observations 48, but its terms have 45",
    "observations_history: [0, -1]": "observations_history",
    "observations_history: [0, 5000]": "history 5000 must be a whole number",
    "observations_history: [0, 1]": "input 'obs' has shape .1, 45., expected one alone of .1, 90.",
    "observations_history_priority: tim": "Did you mean 'time'",
    "wheel_indices: [3]": "no robot has wheels",
    "joint_mapping: [0, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]": "joint_mapping: expected each of 0",
    "clip_obs: -1.0": "clip_obs: expected a number > 0, got -1.0",
    "decimation: 0": "decimation: expected a number > 0, got 0",
    "model_name: !!python/object/apply:os.system ['true']": "apply:os.system' names code",
}


@pytest.mark.parametrize("line", RL_SAR)
def test_a_configuration_of_rl_sar_that_cannot_be(tmp_path, line):
    made = write_rl_sar(tmp_path / "made")
    path = made / "config.yaml"
    said = yaml.safe_load(path.read_text())
    said["go2/made_up"].pop(line.partition(":")[0], None)
    path.write_text(yaml.safe_dump(said) + f"  {line}\n")
    refused(made, ConfigError if "shape" not in RL_SAR[line] else CheckpointError, RL_SAR[line])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"joint_ids_map": [0, 1]}, "joint_ids_map: expected each of 0 to 11 once"),
        ({"step_dt": None}, "step_dt: expected a number > 0"),
        (
            {"actions": {"JointVelocityAction": {}}},
            "no 'JointVelocityAction'. Did you mean 'Joint",
        ),
        ({"observations": {"gait": {}, "base_ang_vel": {}}}, "no term 'gait'"),
        ({"observations": {"base_ang_vel": {"scale": [1.0]}}}, "scale: expected 3 finite numbers"),
        ({"observations": {"base_ang_vel": {"history_length": "3"}}}, "history_length '3'"),
        ({"stiffness": [20.0]}, "stiffness: expected 12 finite numbers"),
    ],
)
def test_a_deploy_yaml_that_cannot_be(tmp_path, change, match):
    refused(write_isaac_lab(tmp_path / "made", **change), ConfigError, match)


def test_a_key_that_is_missing_is_named(tmp_path):
    made = write_isaac_lab(tmp_path / "made")
    said = isaac_lab()
    del said["stiffness"]
    (made / "params" / "deploy.yaml").write_text(yaml.safe_dump(said))
    refused(made, ConfigError, "'stiffness' is missing")


def test_a_folder_of_neither_format(tmp_path):
    (tmp_path / "made").mkdir()
    refused(tmp_path / "made", CheckpointError, "has neither config.yaml .* nor deploy.yaml")
    refused(tmp_path / "absent", CheckpointError, "absent: no such folder")


def test_a_robot_of_other_joints(tmp_path):
    made = write_rl_sar(tmp_path / "made")
    refused(made, ConfigError, "'so101' has no inertial unit", robot="so101")
    path = made / "base.yaml"
    path.write_text(path.read_text().replace("FR_hip_joint", "FR_hipp_joint"))
    refused(made, ConfigError, "no joint 'FR_hipp_joint'. Did you mean 'FR_hip_joint'")


def test_torchscript_is_refused_with_the_line_that_exports_it(tmp_path, monkeypatch):
    made = write_rl_sar(tmp_path / "made by 'you'")
    (made / "policy.onnx").unlink()
    refused(made, CheckpointError, "no policy.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(torch.nn.Linear(45, 12), torch.zeros(1, 45)).save(made / "policy.pt")
    with pytest.raises(CheckpointError, match="is TorchScript") as caught:
        import_policy(made, "go2", tmp_path / "out")
    command = shlex.split(str(caught.value).partition("export it: ")[2])
    assert command[:2] == ["python", "-c"]
    monkeypatch.setattr(sys, "argv", command[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(command[2])  # noqa: S102  # what a person would paste
    import_policy(made, "go2", tmp_path / "out")
    assert load_policy(str(tmp_path / "out")).robot == "go2"


@pytest.mark.parametrize(("inputs", "outputs"), [(44, 12), (45, 11)])
def test_a_network_of_another_width(tmp_path, inputs, outputs):
    made = write_rl_sar(tmp_path / "made", inputs, outputs)
    refused(made, CheckpointError, "expected one alone of .1, (45|12).")


def test_what_is_no_onnx(tmp_path):
    made = write_rl_sar(tmp_path / "made")
    (made / "policy.onnx").write_bytes(b"not a network")
    refused(made, CheckpointError, "policy.onnx is no ONNX file to run")


def test_weights_outside_the_checkpoint_are_not_read(tmp_path):
    made = write_rl_sar(tmp_path / "made")
    np.zeros(12, np.float32).tofile(tmp_path / "secret.bin")
    tensor = TensorProto(name="bias", data_type=TensorProto.FLOAT, dims=[12])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", str(tmp_path / "secret.bin")
    model = onnx.load_model_from_string((made / "policy.onnx").read_bytes())
    model.graph.initializer[1].CopyFrom(tensor)
    for place in (str(tmp_path / "secret.bin"), "../secret.bin", "../../secret.bin"):
        model.graph.initializer[1].external_data[0].value = place
        (made / "policy.onnx").write_bytes(model.SerializeToString())
        refused(made, CheckpointError, "policy.onnx is no ONNX file to run")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("stacked_by: time", "stacked_by: tim", "no stacked_by 'tim'. Did you mean 'time'"),
        ("term: base_ang_vel", "term: base_ang_vell", "Did you mean 'base_ang_vel'"),
        ("unit: rad/s\n", "unit: deg/s\n", "'base_ang_vel' is in rad/s, not in 'deg/s'"),
        ("frame: trunk", "frame: world", "frame 'world' of base_ang_vel, expected the inertial"),
        ("damping: 0.5", "damping: -0.5", "gains: damping -0.5 must be >= 0"),
        ("damping: 0.5", "dampling: 0.5", "unknown key 'dampling'. Did you mean 'damping'"),
        ("FR_hip_joint.vel", "FR_hipp_joint.vel", "no 'FR_hip_joint.vel'"),
    ],
)
def test_a_contract_that_was_changed_by_hand(tmp_path, old, new, match):
    import_policy(write_rl_sar(tmp_path / "made"), "go2", tmp_path / "out")
    path = tmp_path / "out" / CONTRACT
    text = yaml.safe_dump(yaml.safe_load(path.read_text()), sort_keys=False)
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises((ConfigError, CheckpointError), match=match):
        load_policy(str(tmp_path / "out"))


def test_the_command_says_it_in_one_line(tmp_path):
    made = write_rl_sar(tmp_path / "made", observations=["dof_poss"])
    words = ["policy", "import", str(made), "--robot", "go2", "--name", str(tmp_path / "out")]
    command = [sys.executable, "-P", "-m", "robot_policies.cli.app", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Did you mean 'dof_pos'" in done.stderr


def test_onnx_runtime_that_is_not_installed_is_named(tmp_path, monkeypatch):
    made = write_rl_sar(tmp_path / "made")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    from robot_policies.interface import RobotPoliciesError

    refused(made, RobotPoliciesError, "needs ONNX Runtime: pip install 'robot_policies.onnx.'")


def test_a_checkpoint_is_not_written_over(tmp_path):
    import_policy(write_rl_sar(tmp_path / "made"), "go2", tmp_path / "out")
    with pytest.raises(CheckpointError, match="is there already"):
        import_policy(tmp_path / "made", "go2", tmp_path / "out")


def test_another_device_or_a_base_is_refused(tmp_path):
    import_policy(write_rl_sar(tmp_path / "made"), "go2", tmp_path / "out")
    with pytest.raises(ConfigError, match="computes on the CPU, not on 'cuda'"):
        load_policy(str(tmp_path / "out"), device="cuda")
    with pytest.raises(CheckpointError, match="leave out the base"):
        load_policy(str(tmp_path / "out"), base="uni_o4/go1_walk")
