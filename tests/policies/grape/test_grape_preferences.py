"""Objectives, formulas and pairs: what is preferred, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from carried_cube import POINTS, attempt

from robot_policies.interface import ConfigError
from robot_policies.policies.grape.formulas import read_formula
from robot_policies.policies.grape.objective import read_objective
from robot_policies.policies.grape.preferences import (
    Pair,
    make_pairs,
    random_pairs,
    ranks,
    rewards,
)
from robot_policies.policies.grape.trajectories import pad
from robot_policies.shared_files import config_names, read_config


@pytest.mark.parametrize("name", config_names("objectives"))
def test_every_shipped_objective_lies_in_0_to_1(name):
    objective = read_objective(name, POINTS)
    values = [objective.external(attempt(beside)) for beside in (0.0, 0.05, 0.12)]
    assert all(0.0 < value <= 1.0 for value in values)


@pytest.mark.parametrize("name", ["safety", "efficiency"])
def test_stages_follow_each_other(name):
    stages = read_objective(name, POINTS).stage_of(attempt(0.1))
    assert stages.tolist() == [0] * 3 + [1] * 6 + [2] * 2


def test_success_prefers_to_let_go_over_the_middle_of_the_pad():
    """However long it takes, and whatever it touches."""
    success, aside = read_objective("success", POINTS), attempt(0.12)
    aside.points["cube"][-1, :2] += 0.02
    assert success.external(attempt(0.01)) > success.external(aside)
    assert success.external(attempt(0.01)) == success.external(attempt(0.12))


def test_the_three_objectives_prefer_different_things():
    near, far = attempt(0.01), attempt(0.12)
    safety, efficiency = (read_objective(name, POINTS) for name in ("safety", "efficiency"))
    assert safety.external(far) > safety.external(near)
    shorter = attempt(0.01)
    shorter = replace(
        shorter,
        steps=replace(
            shorter.steps,
            **{
                name: getattr(shorter.steps, name)[::2]
                for name in ("picture", "state", "action", "task")
            },
        ),
        tokens=shorter.tokens[::2],
        log_probability=shorter.log_probability[::2],
        points={name: points[::2] for name, points in shorter.points.items()},
        touch=shorter.touch[::2],
    )
    assert efficiency.external(shorter) > efficiency.external(far)


@pytest.mark.parametrize("stage", ["approach", "pass", "place"])
def test_more_of_any_cost_is_worth_less(stage, tmp_path):
    data = read_config("objectives", "safety")
    path = tmp_path / "mine.yaml"
    values = []
    for factor in (1, 2):
        for kind in ("collision", "path", "grasp"):
            if kind in data["stages"][stage]:
                cost = dict(data["stages"][stage][kind])
                cost |= {"cost": f"{factor} * (0.02 + {cost['cost']})", "threshold": 0.0}
                changed = {**data, "stages": {**data["stages"]}}
                changed["stages"][stage] = {**data["stages"][stage], kind: cost}
                path.write_text(yaml.safe_dump(changed))
                values.append(read_objective(str(path), POINTS).external(attempt(0.03)))
    half = len(values) // 2
    assert all(more < less for more, less in zip(values[half:], values[:half], strict=True))


def test_a_lower_threshold_turns_the_ranking_round(tmp_path):
    """The near one is likelier, the far one safer; how much nearness is free decides."""
    data = read_config("objectives", "safety")
    near, far = attempt(0.06, log_probability=-1.0), attempt(0.12, log_probability=-2.0)
    chosen = []
    for threshold in (10.0, 0.0):
        for stage in ("approach", "pass"):
            data["stages"][stage]["collision"]["threshold"] = threshold
            data["stages"][stage].pop("path", None)
        data["stages"]["place"].pop("path", None)
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(data))
        worth = rewards([near, far], read_objective(str(path), POINTS))
        chosen.append(int(worth.argmax()))
    assert chosen == [0, 1]


def test_ranks_share_what_is_equal():
    np.testing.assert_allclose(ranks(np.array([3.0, 1.0, 3.0, 2.0])), [2.5 / 3, 0, 2.5 / 3, 1 / 3])
    assert ranks(np.array([5.0])).tolist() == [0.0]


def test_the_papers_own_weights_are_of_the_terms_as_they_are(tmp_path):
    data = read_config("objectives", "success")
    data |= {"normalise": "none", "terms": {"self": 0.01, "external": 0.01, "success": 2.0}}
    path = tmp_path / "paper.yaml"
    path.write_text(yaml.safe_dump(data))
    objective, one = read_objective(str(path), POINTS), attempt(0.1)
    expected = 0.01 * -11.0 + 0.01 * objective.external(one) + 2.0
    assert rewards([one], objective)[0] == pytest.approx(expected)


def test_pairs_are_of_one_state_and_differ():
    objective = read_objective("safety", POINTS)
    attempts = [attempt(0.01), attempt(0.12), attempt(0.12, start=1), attempt(0.12, start=1)]
    (pair,) = make_pairs(attempts, objective)
    assert pair.chosen is attempts[1]
    assert pair.rejected is attempts[0]
    with pytest.raises(ConfigError, match="no pair: of 1 initial states"):
        make_pairs(attempts[2:], objective)
    with pytest.raises(ConfigError, match="initial states 0 and 1: only attempts from one state"):
        Pair(attempts[0], attempts[2], 1.0)
    impossible = attempt(0.1, log_probability=-np.inf)
    with pytest.raises(ConfigError, match="log-probability -inf"):
        make_pairs([impossible, attempts[0]], objective)


def test_the_best_of_a_state_are_paired_with_its_worst(tmp_path):
    data = {**read_config("objectives", "safety"), "pairs": 2, "margin": 0.01}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    objective = read_objective(str(path), POINTS)
    attempts = [attempt(beside) for beside in (0.01, 0.02, 0.05, 0.07, 0.12)]
    pairs = make_pairs(attempts, objective)
    chosen = [attempts.index(pair.chosen) for pair in pairs]
    assert chosen == [4, 3]
    assert [attempts.index(pair.rejected) for pair in pairs] == [0, 1]
    for change, reason in (
        ({"margin": 0}, "margin 0 must be"),
        ({"pairs": 1.5}, "pairs 1.5 must"),
    ):
        path.write_text(yaml.safe_dump({**data, **change}))
        with pytest.raises(ConfigError, match=reason):
            read_objective(str(path), POINTS)


def test_random_pairs_need_a_success_and_a_failure():
    attempts = [attempt(0.1), attempt(0.1, success=False), attempt(0.1, start=1)]
    (pair,) = random_pairs(attempts, np.random.default_rng(0))
    assert pair.chosen.success
    assert not pair.rejected.success
    for alike in (True, False):
        with pytest.raises(ConfigError, match="no initial state has both"):
            random_pairs([attempt(0.1, success=alike)] * 2, np.random.default_rng(0))


def test_trajectories_of_any_length_lie_side_by_side():
    one, other = attempt(0.1), attempt(0.05)
    padded = pad([one, other])
    assert padded.mask.shape == (2, 11)
    placed = padded.place(torch.arange(22.0))
    assert placed[1].tolist() == list(range(11, 22))


def test_a_formula_is_computed_for_all_steps():
    values = {"cube": np.array([[3.0, 4.0, 1.0], [0.0, 0.0, 2.0]]), "touch": np.array([0.0, 1.0])}
    formula = read_formula("max(0, norm(flat(cube)) - 2) + 0.5 * touch", frozenset(values), "here")
    assert formula(values).tolist() == [3.0, 0.5]
    assert read_formula("not (z(cube) < 1.5)", frozenset(values), "h")(values).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import os", "'import ...' is no expression"),
        ("while True: pass", "'while ...' is no expression"),
        ("cube.__class__", "Attribute is not allowed"),
        ("__import__('os')", "no function '__import__'"),
        ("(lambda: 1)()", "Call is not allowed"),
        ("[x for x in cube]", "ListComp is not allowed"),
        ("'a' * 9", "Constant is not allowed"),
        ("2 ** 99999999", "BinOp is not allowed"),
        ("cubes", "no name 'cubes'. Did you mean 'cube'"),
        ("norm(cube, axis=1)", "Call is not allowed"),
        ("-" * 60 + "1", "nested more than 40 times"),
    ],
)
def test_what_is_no_formula_is_refused_by_name(text, reason):
    with pytest.raises(ConfigError, match=reason.replace("(", r"\(")):
        read_formula(text, frozenset({"cube"}), "mine.yaml: stages.pass.path")


def test_a_formula_that_gives_no_numbers_is_refused():
    values = {"cube": np.ones((2, 3))}
    with pytest.raises(ConfigError, match="is not finite"):
        read_formula("1 / (x(cube) - 1)", frozenset(values), "here")(values)
