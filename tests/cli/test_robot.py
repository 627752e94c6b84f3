import json
from pathlib import Path

import pybullet_data

from robot_policies.cli.app import main

IIWA = Path(pybullet_data.getDataPath()) / "kuka_iiwa" / "model.urdf"


def test_import_writes_a_robot_that_runs_at_once(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("ROBOT_POLICIES_PATH", str(tmp_path))
    assert main(["robot", "import", str(IIWA), "--name", "iiwa", "--json", "-"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["file"] == str(tmp_path / "robots/iiwa.yaml")
    said = {row["what"]: row["source"] for row in found["rows"]}
    assert said["joints"] == "model"
    assert said["acceleration"] == "assumed"
    for backend in ("mujoco", "pybullet", "loopback"):
        command = ["run", "--policy", "hold", "--robot", "iiwa", "--backend", backend]
        assert main([*command, "--seconds", "0.5", "--json", "-"]) == 0
        result = json.loads(capfd.readouterr().out)
        assert result["ended_by"] == "horizon"
        assert not result["refusals"]
    assert main(["check", "--policy", "hold", "--robot", "iiwa", "--backend", "mujoco"]) == 0


def test_a_name_that_is_taken_or_is_none_is_refused(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("ROBOT_POLICIES_PATH", str(tmp_path))
    for name, said in (("go1", "a robot of that name already"), ("a b", "letters, digits")):
        assert main(["robot", "import", str(IIWA), "--name", name]) == 2
        assert said in capfd.readouterr().err
    assert not any(tmp_path.rglob("*.yaml"))
