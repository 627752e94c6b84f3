"""The loop: each iteration is a whole checkpoint, and a stopped run goes on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from carried_cube import POINTS, attempt

from robot_policies.interface import ConfigError
from robot_policies.policies.grape.iterations import PREFERENCES, SKILL, iterate
from robot_policies.policies.grape.modeling_grape import GrapePolicy
from robot_policies.policies.grape.objective import read_objective
from robot_policies.policies.grape.preference_dataset import read_preferences
from robot_policies.policies.grape.settings import AlignmentSettings
from robot_policies.policies.grape.steps import Steps
from robot_policies.policies.runtime import LerobotRuntime
from robot_policies.skills.mixing.layers import SkillStack
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.package.adapter import read_adapter
from robot_policies.skills.package.base import read_base

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


def network_of(runtime: LerobotRuntime) -> GrapePolicy:
    network = runtime.checkpoint.policy
    assert isinstance(network, GrapePolicy)
    return network


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
    pairs = read_preferences(both[1].folder / PREFERENCES)
    assert [pair["chosen"]["state"] for pair in pairs] == [0, 1]
    assert pairs[0]["chosen"]["external"] > pairs[0]["rejected"]["external"]
    policies = [LerobotRuntime(folder) for folder in (base, both[0].folder, both[1].folder)]
    seen = policies[0].observation_spec.example(np.random.default_rng(0))
    assert all(policy.act(seen).values.shape == (1, 7) for policy in policies)
    adapter = read_adapter(tmp_path / "out" / SKILL, read_base(base).layers)
    mixer = SkillMixer(policies[0].checkpoint.policy)
    before = policies[0].act(seen).values
    with torch.no_grad():
        batch = policies[0].prepare(seen)
        tokens = torch.ones(1, 4, dtype=torch.long)
        alone, aligned = (network_of(p).log_likelihood(batch, tokens) for p in policies[::2])
        mixer.swap(SkillStack(mixer.policy, {"safety": adapter}))
        mixer.weigh(torch.ones(1))
        merged = network_of(policies[0]).log_likelihood(batch, tokens)
    torch.testing.assert_close(merged, aligned, atol=1e-5, rtol=0.0)
    assert not torch.allclose(merged, alone, atol=1e-5)
    mixer.clear()
    np.testing.assert_array_equal(policies[0].act(seen).values, before)
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
