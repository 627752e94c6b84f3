import json
from pathlib import Path

import pytest
import yaml

from robot_policies.cli.app import main

pytest.importorskip("colorama", reason="mujoco[sysid] is not installed")
WALKS = Path(__file__).parents[2] / "samples" / "go1_real"


def test_a_recording_becomes_ranges_that_training_reads(tmp_path, capfd):
    out = tmp_path / "found"
    asked = ["sysid", "--data", str(WALKS), "--robot", "go1", "--horizon", "5", "--windows", "20"]
    asked += ["--parameter", "latency", "--out", str(out), "--json", "-"]
    assert main(asked) == 0
    document = json.loads(capfd.readouterr().out)
    assert 0.005 < document["parameters"]["latency"]["value"] < 0.03, "real motors are late"
    assert document["after"] < document["before"]
    said = yaml.safe_load((out / "sysid.yaml").read_text())
    assert said["randomization"].keys() == {"latency"}
    assert "latency" in (out / "sysid.html").read_text()
    train = ["train", "uni_o4", "--stage", "online", "--steps", "1", "--out", str(tmp_path / "c")]
    assert main([*train, "--ranges", str(out / "sysid.html")]) == 2
    (out / "other.yaml").write_text("robot: go1\n")
    capfd.readouterr()
    assert main([*train, "--ranges", str(out / "other.yaml")]) == 2
    assert "'randomization' is missing" in capfd.readouterr().err


def test_data_of_another_robot_is_refused(capfd):
    assert main(["sysid", "--data", str(WALKS), "--robot", "so101"]) == 2
    assert "recorded on 'go1', expected 'so101'" in capfd.readouterr().err
