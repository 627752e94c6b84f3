import json

from robot_policies.nodes.trial import SETTINGS, TrialRun


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
