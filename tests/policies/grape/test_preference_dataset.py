"""Pairs as a LeRobotDataset, and the page that shows them."""

import json
from dataclasses import replace

import pytest
import torch
from carried_cube import POINTS, attempt
from lerobot.datasets import LeRobotDataset

from robot_policies.cli.app import main
from robot_policies.interface import ConfigError
from robot_policies.policies.grape.iterations import PREFERENCES
from robot_policies.policies.grape.objective import read_objective
from robot_policies.policies.grape.preference_dataset import read_preferences, write_preferences
from robot_policies.policies.grape.preferences import Pair, make_pairs
from robot_policies.policies.grape.recorded import recorded_attempts
from robot_policies.policies.runtime import LerobotRuntime

SAFETY = read_objective("safety", POINTS)
CAMERA = "observation.images.top"


def seen(beside: float, start: int, shade: int):
    one = attempt(beside, start)
    picture = torch.full((len(one), 3, 24, 24), shade, dtype=torch.uint8)
    state = torch.arange(6 * len(one), dtype=torch.float32).reshape(-1, 6)
    return replace(one, steps=replace(one.steps, picture=picture, state=state))


@pytest.fixture
def written(make_policy, tmp_path):
    config = make_policy()[0].config
    pairs = [
        Pair(seen(0.12, start, 200), seen(0.01, start, 40), margin)
        for start, margin in ((7, 1.0), (9, 2.5))
    ]
    root = tmp_path / "preferences"
    write_preferences(root, pairs, SAFETY, config)
    return root, pairs


def test_lerobot_reads_what_was_seen_and_done(written):
    root, pairs = written
    data = LeRobotDataset("local/preferences", root=root)
    assert (data.num_episodes, data.fps) == (4, 10)
    first = pairs[0].chosen.steps
    row = data[3]
    torch.testing.assert_close(row["observation.state"], first.state[3])
    torch.testing.assert_close(row["action"], first.action[3])
    assert row["task"] == first.task[3]
    assert row[CAMERA].mean().item() == pytest.approx(200 / 255, abs=0.02)


def test_what_is_known_of_a_pair_is_read_again(written):
    root, pairs = written
    found = read_preferences(root)
    assert [pair["chosen"]["state"] for pair in found] == [7, 9]
    for pair, made in zip(found, pairs, strict=True):
        for role in ("chosen", "rejected"):
            one = getattr(made, role)
            assert pair[role]["external"] == pytest.approx(SAFETY.external(one))
            assert pair[role]["costs"] == pytest.approx(SAFETY.costs(one))
            assert pair[role]["touched"] == bool(one.touch.any())
        assert pair["chosen"]["margin"] == made.margin


def test_the_page_shows_the_pairs_that_differ_most_with_their_films(written, tmp_path, capfd):
    root, _ = written
    out = tmp_path / "page.html"
    assert main(["align", "show", str(root), "--out", str(out), "--pairs", "1"]) == 0
    assert capfd.readouterr().out.strip() == str(out)
    text = out.read_text()
    assert text.count('<video src="data:video/mp4;base64,') == 2
    assert "2 pairs of attempts" in text
    assert "state 9, rewards differ by 2.5" in text
    assert "state 7" not in text
    assert "http" not in text.replace("http-equiv", ""), "nothing is fetched"


def test_other_data_is_refused(written, tmp_path, capfd):
    root, _ = written
    lines = (root / "meta" / "recordings.jsonl").read_text().splitlines()
    (root / "meta" / "recordings.jsonl").write_text("\n".join(lines[:3]) + "\n")
    with pytest.raises(ConfigError, match=r"pair 1 has \['chosen'\], expected"):
        read_preferences(root)
    other = json.loads(lines[0])
    del other["preference"]
    (root / "meta" / "recordings.jsonl").write_text(json.dumps(other) + "\n")
    with pytest.raises(ConfigError, match="episode 0 is no half of a pair of attempts"):
        read_preferences(root)
    assert main(["align", "show", str(tmp_path / "nothing")]) == 2
    assert "holds no pairs of attempts" in capfd.readouterr().err


def told(beside: float, start: int, shade: int):
    one = seen(beside, start, shade)
    return replace(one, steps=replace(one.steps, task=["put the cube on the pad"] * len(one)))


@pytest.fixture
def outcomes(make_policy, save, tmp_path):
    """A checkpoint, and six recorded attempts of one instruction, every other one a failure."""
    made = make_policy()
    folder, config = save(tmp_path / "base", *made), made[0].config
    root = tmp_path / "recorded"
    pairs = [
        Pair(told(0.12, start, 200), replace(told(0.01, start, 40), success=False), 1.0)
        for start in (7, 8, 9)
    ]
    write_preferences(root, pairs, SAFETY, config)
    return folder, root


def test_recorded_attempts_are_aligned_by_their_outcome(outcomes, tmp_path):
    folder, root = outcomes
    attempts = recorded_attempts(root, folder)
    assert [t.success for t in attempts] == [True, False] * 3
    assert [t.start for t in attempts] == [0, 0, 1, 1, 2, 2]
    out, report = tmp_path / "out", tmp_path / "report.json"
    command = ["align", "--policy", str(folder), "--data", str(root), "--epochs", "1"]
    assert main([*command, "--out", str(out), "--json", str(report)]) == 0
    (made,) = json.loads(report.read_text())["iterations"]
    assert (made["attempts"], made["pairs"]) == (6, 3)
    LerobotRuntime(out / "iteration_1")
    (first, *_) = read_preferences(out / "iteration_1" / PREFERENCES)
    assert first["chosen"]["success"]
    assert not first["rejected"]["success"]


def test_attempts_without_a_state_are_compared_by_instruction(outcomes):
    folder, root = outcomes
    about = root / "meta" / "recordings.jsonl"
    lines = [json.loads(line) for line in about.read_text().splitlines()]
    for line in lines:
        del line["preference"]["state"]
    about.write_text("".join(json.dumps(line) + "\n" for line in lines))
    attempts = recorded_attempts(root, folder)
    assert [t.start for t in attempts] == [0] * 6
    assert len(make_pairs(attempts, read_objective("outcome", frozenset()))) == 3


def test_recorded_attempts_that_say_too_little_are_refused(outcomes, tmp_path, capfd):
    folder, root = outcomes
    command = ["align", "--policy", str(folder), "--data", str(root), "--out", str(tmp_path / "o")]
    assert main([*command, "--objective", "safety"]) == 2
    assert "no name 'cube'" in capfd.readouterr().err
    about = root / "meta" / "recordings.jsonl"
    written = about.read_text()
    about.write_text(written.replace('"success": false', '"success": true'))
    assert main(command) == 2
    assert "no pair: of 3 initial states" in capfd.readouterr().err
    about.write_text(written.replace('"success": false, ', ""))
    assert main(command) == 2
    assert "episode 1 does not say whether it succeeded" in capfd.readouterr().err
    assert not (tmp_path / "o").exists()


def test_an_alignment_needs_a_policy_and_a_folder(capfd):
    assert main(["align", "--quick"]) == 2
    assert "expected --policy and --out" in capfd.readouterr().err
