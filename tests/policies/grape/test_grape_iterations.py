"""The loop: each iteration is a whole checkpoint, and a stopped run goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from carried_cube import POINTS, attempt

from robot_policies.interface import ConfigError
from robot_policies.policies.grape.alignment import AlignmentSettings
from robot_policies.policies.grape.iterations import TABLE, iterate
from robot_policies.policies.grape.objective import read_objective
from robot_policies.policies.grape.steps import Steps
from robot_policies.policies.runtime import LerobotRuntime

SETTINGS = AlignmentSettings(rank=4, epochs=1, lr=1e-3)


def tried(beside: float, start: int):
    """An attempt as the small policy sees one."""
    one = attempt(beside, start)
    count = len(one)
    steps = Steps(
        picture=torch.full((count, 3, 24, 24), 128, dtype=torch.uint8),
        state=torch.zeros(count, 6),
        action=torch.zeros(count, 7),
        task=["put the cube on the blue pad"] * count,
        places=torch.empty(0),
    )
    tokens = torch.full((count, 4), int(100 * beside), dtype=torch.long)
    return replace(one, steps=steps, tokens=tokens)


def test_iterations_are_whole_checkpoints_and_are_not_made_twice(make_policy, save, tmp_path):
    base = save(tmp_path / "base", *make_policy())
    asked: list[tuple[str, int]] = []

    def collect(folder, number):
        asked.append((folder.name, number))
        return [tried(beside, start) for start in (0, 1) for beside in (0.01, 0.12)]

    safety = read_objective("safety", POINTS)
    first = iterate(base, tmp_path / "out", safety, collect, SETTINGS, 1)
    (tmp_path / "out" / "iteration_2.unfinished").mkdir()  # a run that was stopped
    both = iterate(base, tmp_path / "out", safety, collect, SETTINGS, 2)
    assert asked == [("base", 1), ("iteration_1", 2)]
    assert both[0] == first[0]
    assert (both[1].attempts, both[1].pairs, both[1].success) == (4, 2, 1.0)
    assert both[1].drift["chosen_drift"] >= both[1].drift["rejected_drift"]
    table = json.loads((both[1].folder / TABLE).read_text())
    assert [row["state"] for row in table["pairs"]] == [0, 1]
    assert table["pairs"][0]["chosen"]["external"] > table["pairs"][0]["rejected"]["external"]
    policies = [LerobotRuntime(folder) for folder in (base, both[0].folder, both[1].folder)]
    seen = policies[0].observation_spec.example(np.random.default_rng(0))
    assert all(policy.act(seen).values.shape == (1, 7) for policy in policies)
    weights = [policy.checkpoint.policy.state_dict() for policy in policies]
    name = "reader.vlm.lm_head.weight"
    assert not torch.equal(weights[0][name], weights[1][name])
    assert not torch.equal(weights[1][name], weights[2][name])


def test_attempts_that_are_all_alike_leave_nothing_behind(make_policy, save, tmp_path):
    base, out = save(tmp_path / "base", *make_policy()), tmp_path / "out"
    alike = [tried(0.12, start) for start in (0, 0, 1, 1)]
    with pytest.raises(ConfigError, match="no pair: of 2 initial states"):
        iterate(base, out, read_objective("safety", POINTS), lambda *_: alike, SETTINGS, 1)
    assert not out.exists()
