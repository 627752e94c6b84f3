"""Pairs as a LeRobotDataset, and the page that shows them."""

import json
from dataclasses import replace

import pytest
import torch
from carried_cube import POINTS, attempt
from lerobot.datasets import LeRobotDataset

from robot_policies.cli.app import main
from robot_policies.interface import ConfigError
from robot_policies.policies.grape.objective import read_objective
from robot_policies.policies.grape.preference_dataset import read_preferences, write_preferences
from robot_policies.policies.grape.preferences import Pair

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


def test_an_alignment_needs_a_policy_and_a_folder(capfd):
    assert main(["align", "--quick"]) == 2
    assert "expected --policy and --out" in capfd.readouterr().err
