import json

import pytest
import yaml

from robot_policies.catalog import load_robot
from robot_policies.control.records import Ending
from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.nodes.trial import TrialRun
from robot_policies.nodes.trial_settings import SETTINGS, contract_file, executor_mode
from robot_policies.policies.catalog import action_spec_of


def test_the_end_of_a_recording_ends_the_trial_without_a_fault(tmp_path):
    now, summary = [100.0], tmp_path / "summary.json"
    settings = {name: setting.default for name, setting in SETTINGS.items()}
    settings |= {"backend": "replay", "task": "go1_walk", "seconds": 60.0, "summary": str(summary)}
    trial = TrialRun(settings, now[0])
    trial.start(now[0])
    while not (over := trial.over()):
        if trial.advance():
            trial.measure(now[0], pictures=False)
            trial.decide(now[0])
        now[0] += trial.loop.period
    trial.end(Ending.HORIZON, over)
    trial.close()
    assert over == "the recording has ended"
    assert json.loads(summary.read_text())["ended_by"] == "recording ended"


def test_chunks_are_merged_as_the_contract_says_unless_set_otherwise(tmp_path):
    robot = load_robot("go1")
    action = {"kind": "joint_position", "names": ["knee"], "unit": "rad"}
    contract = {"robot": "go1", "dt": 0.02, "action": action, "executor": "splice"}
    config = {"output_features": {"action": {"shape": [1]}}, "chunk_size": 8, "n_obs_steps": 1}
    file = tmp_path / "contract.yaml"
    file.write_text(yaml.safe_dump(contract))
    (tmp_path / "config.json").write_text(json.dumps({**config, "n_action_steps": 4}))
    spec = action_spec_of(str(tmp_path), robot)
    assert (spec.executor, spec.dt, spec.horizon, spec.executed) == ("splice", 0.02, 8, 4)
    assert executor_mode({"executor": "contract"}) is None
    assert executor_mode({"executor": "ensemble"}) == "ensemble"
    assert action_spec_of("hold", robot).executor == "open_loop"

    elsewhere = tmp_path / "other.yaml"
    elsewhere.write_text(yaml.safe_dump(contract | {"executor": "ensemble"}))
    chosen = contract_file({"contract": str(elsewhere)})
    assert action_spec_of(str(tmp_path), robot, chosen).executor == "ensemble"
    assert contract_file({"contract": ""}) is None

    file.write_text(yaml.safe_dump(contract | {"executor": "splce"}))
    with pytest.raises(ConfigError, match="Did you mean 'splice'"):
        action_spec_of(str(tmp_path), robot)
    file.unlink()
    with pytest.raises(CheckpointError, match=r"contract\.yaml is missing"):
        action_spec_of(str(tmp_path), robot)


def test_a_trial_may_begin_elsewhere_than_the_task_draws(tmp_path):
    changed = tmp_path / "initial.json"
    changed.write_text(json.dumps({"payload": 2.5, "joint_position": {"FR_calf_joint": -1.25}}))
    settings = {name: setting.default for name, setting in SETTINGS.items()}
    settings |= {"task": "go1_walk", "initial": str(changed), "summary": str(tmp_path / "s.json")}
    trial = TrialRun(settings, 0.0)
    trial.start(0.0)
    place = load_robot("go1").joint_names.index("FR_calf_joint")
    measured = trial.loop.backend.read().joint_position[place]
    trial.end(Ending.INTERRUPTED, "")
    trial.close()
    began = json.loads((tmp_path / "s.json").read_text())["initial"]
    assert (began["payload"], began["friction"]) == (2.5, trial.task.initial(0)["friction"])
    assert measured == pytest.approx(-1.25)


def test_a_summary_is_there_while_a_recording_is_still_converted(monkeypatch, tmp_path):
    seen, summary = [], tmp_path / "summary.json"

    class Slow:
        faults, figures = ["rec: No space left on device"], {}

        def end(self, result):
            seen.append(json.loads(summary.read_text())["ended_by"])

        def __getattr__(self, name):
            return lambda *arguments: None

    settings = {name: setting.default for name, setting in SETTINGS.items()}
    settings |= {"backend": "loopback", "robot": "go1", "task": "", "summary": str(summary)}
    monkeypatch.setattr(TrialRun, "_watchers", lambda self: [Slow()])
    trial = TrialRun(settings, 0.0)
    trial.start(0.0)
    trial.end(Ending.INTERRUPTED, "the node was interrupted")
    trial.close()
    assert seen == ["interrupted"]
    assert json.loads(summary.read_text())["faults"] == Slow.faults
