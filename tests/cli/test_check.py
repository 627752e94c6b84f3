"""`robot-policies check`: what is known of a policy before it moves a robot."""

import json
from dataclasses import replace

import numpy as np
import pytest

from robot_policies.cli.app import main
from robot_policies.control import safety_limits
from robot_policies.policies.hold import HoldPolicy

CHECK = ["check", "--policy", "hold", "--robot", "go1", "--backend", "loopback"]


def checked(capfd, status: int) -> dict:
    assert main([*CHECK, "--json", "-"]) == status
    return json.loads(capfd.readouterr().out)


def test_a_passing_check_says_how_old_plans_become(capfd):
    found = checked(capfd, 0)
    answer = found["answer"]
    assert found["compatible"]
    assert answer["threads"] == 1
    assert 0.0 < answer["time"] < answer["plan_age"]
    assert answer["plan_age_limit"] == safety_limits.LEGGED_PLAN_AGE
    assert main(CHECK) == 0
    text = " ".join(capfd.readouterr().out.split())
    assert text.startswith("hold on go1 in loopback: compatible; answers in ")
    assert text.endswith("s old, 0.5 s are allowed")


@pytest.mark.parametrize("problem", ["plan_age", "answer"])
def test_what_a_node_would_refuse_is_no_match(capfd, monkeypatch, problem):
    if problem == "plan_age":
        monkeypatch.setattr(safety_limits, "LEGGED_PLAN_AGE", 0.001)
    else:
        act = HoldPolicy.act

        def broken(policy, observation):
            chunk = act(policy, observation)
            return replace(chunk, values=np.full_like(chunk.values, np.nan))

        monkeypatch.setattr(HoldPolicy, "act", broken)
    found = checked(capfd, 1)
    assert not found["compatible"]
    assert [finding["code"] for finding in found["findings"]] == [problem]
