import json

import pytest
import yaml

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.nodes.trial import SETTINGS, TrialRun, executor_mode


def test_the_end_of_a_recording_ends_the_trial_without_a_fault(tmp_path):
    now, summary = [100.0], tmp_path / "summary.json"
    settings = {name: default for name, (default, _) in SETTINGS.items()}
    settings |= {"backend": "replay", "task": "go1_walk", "seconds": 60.0, "summary": str(summary)}
    trial = TrialRun(settings, lambda: now[0])
    trial.start()
    while not (over := trial.over()):
        if trial.measure():
            trial.loop.command()
        now[0] += trial.loop.period
    trial.end(over)
    trial.close()
    assert "episode 0 ends after" in over
    assert json.loads(summary.read_text())["ended_by"] == "recording ended"


def test_chunks_are_merged_as_the_contract_says_unless_set_otherwise(tmp_path):
    action = {"kind": "joint_position", "names": ["knee"], "unit": "rad"}
    contract = {"robot": "go1", "dt": 0.02, "action": action, "executor": "splice"}
    file = tmp_path / "contract.yaml"
    file.write_text(yaml.safe_dump(contract))
    assert executor_mode({"policy": str(tmp_path), "executor": "contract"}) == "splice"
    assert executor_mode({"policy": str(tmp_path), "executor": "ensemble"}) == "ensemble"
    assert executor_mode({"policy": "hold", "executor": "contract"}) == "open_loop"

    file.write_text(yaml.safe_dump(contract | {"executor": "splce"}))
    with pytest.raises(ConfigError, match="Did you mean 'splice'"):
        executor_mode({"policy": str(tmp_path), "executor": "contract"})
    file.unlink()
    with pytest.raises(CheckpointError, match=r"contract\.yaml is missing"):
        executor_mode({"policy": str(tmp_path), "executor": "contract"})
