import ast
import json
import re
from pathlib import Path

import pytest
from sample_work import random_walk

from robot_policies.evaluation import report, statistics
from robot_policies.evaluation.card import card
from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.episode import Job, Outcome, crashed
from robot_policies.evaluation.films import worst
from robot_policies.evaluation.metrics import describe
from robot_policies.evaluation.page.html import page

ROOT = Path(__file__).resolve().parents[2]

WENT = (1.0, 1.0, 0.4)
ORIGIN = {"command": "robot-policies evaluate", "created": "2026-01-01T00:00:00+00:00"}


def outcomes(policies=("a", "bb"), backends=("x",), seeds=range(8)):
    return [
        random_walk(Job(policy, "walk", backend, seed, {"seed": seed}))
        for backend in backends
        for policy in policies
        for seed in seeds
    ]


def test_document_has_the_documented_keys_and_is_strict_json():
    document = report.document(outcomes(), ORIGIN)
    assert {"metrics", "cells", "comparisons", "rankings", "agreements", "provenance"} < set(
        document
    )
    assert len(document["cells"]) == 2
    for cell in document["cells"]:
        assert {"policy", "task", "backend", "episodes", "success", "metrics"} <= set(cell)
        assert cell["episodes"] == 8
        for estimate in (cell["success"], *cell["metrics"].values()):
            assert set(estimate) == {"mean", "ci95"}
            low, high = estimate["ci95"]
            assert low <= estimate["mean"] <= high
    for entry in document["comparisons"]:
        assert {"a", "b", "task", "test", "p", "difference", "ci95"} <= set(entry)
    json.dumps(document, allow_nan=False)


def test_a_metric_says_what_it_is_measured_in_and_what_is_better():
    done = [Outcome(Job("a", "t", "x", 0, {}), True, {"speed_error": 0.1, "own": 1.0})]
    assert report.document(done, ORIGIN)["metrics"] == {
        "success": {"unit": "1", "better": "higher"},
        "speed_error": {"unit": "m/s", "better": "lower"},
    }


def test_every_metric_of_every_task_has_a_unit_and_a_direction():
    named = set()
    for path in (ROOT / "sim" / "robot_policies_sim" / "worlds").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "metrics":
                named |= metrics_of(node)
    assert {"success", "distance", "collision", "stretch", "yaw_rate_error"} <= named
    assert named == set(describe(named))


def metrics_of(function: ast.FunctionDef) -> set[str]:
    """Return the texts that are keys of a dictionary which a function makes or fills."""
    keys: list[ast.expr | None] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            keys += node.keys
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            keys.append(node.slice)
    return {str(key.value) for key in keys if isinstance(key, ast.Constant)}


def test_the_page_says_units_and_directions():
    done = [Outcome(Job("a", "t", "x", 0, {}), True, {"speed_error": 0.1, "own": 1.0})]
    document = report.document(done, ORIGIN)
    text = page(document, report.episodes(done))
    for title in ("success ↑", "speed_error [m/s] ↓", "own"):
        assert f"<h2>{title}</h2>" in text
        assert f"<th>{title}</th>" in text


def test_a_crash_is_no_success_and_is_listed_with_its_seed():
    good = [Outcome(Job("a", "t", "x", seed, {}), True, {"m": 1.5}) for seed in (0, 1, 2)]
    bad = crashed(Job("a", "t", "x", 3, {}), "the physics\ndiverged")
    (cell,) = report.document([*good, bad], ORIGIN)["cells"]
    assert cell["episodes"] == 4
    assert cell["success"] == statistics.rate(3, 4).to_json()
    assert cell["metrics"]["m"]["mean"] == 1.5
    assert cell["errors"] == [{"seed": 3, "error": "the physics diverged"}]


def test_progress_lies_between_0_and_1_and_so_does_its_interval():
    rows = [Outcome(Job("a", "t", "x", i, {}), False, {"progress": p}) for i, p in enumerate(WENT)]
    (cell,) = report.document(rows, ORIGIN)["cells"]
    assert cell["metrics"]["progress"]["ci95"][1] == 1.0


def test_policies_are_paired_within_a_backend_and_backends_within_a_policy():
    document = report.document(outcomes(backends=("x", "y")), ORIGIN)
    successes = [e for e in document["comparisons"] if e["metric"] == "success"]
    assert [(e["a"], e["b"], e["backend"]) for e in successes] == [
        ("a", "bb", "x"),
        ("a @ x", "a @ y", None),
        ("bb @ x", "bb @ y", None),
        ("a", "bb", "y"),
    ]
    same = next(e for e in successes if e["a"] == "a @ x")
    assert (same["p"], same["difference"]) == (1.0, 0.0)  # the walk ignores the backend


def test_conditions_are_paired_with_the_first_and_the_dearest_comes_first():
    rows = [
        Outcome(Job("a", "t", "x", seed, {}, Condition(name)), seed not in lost)
        for name, lost in (("", {0}), ("late", {0, 1}), ("ice", set(range(7))))
        for seed in range(10)
    ]
    document = report.document(rows, ORIGIN)
    (found,) = document["attributions"]
    assert (found["policy"], found["against"]) == ("a", "plain")
    assert [cost["condition"] for cost in found["costs"]] == ["ice", "late"]
    assert [cost["cost"]["mean"] for cost in found["costs"]] == pytest.approx([0.6, 0.1])
    # Two comparisons, not three: 2 * 2 / 2^6 for six pairs that all went one way.
    assert found["costs"][0]["p_holm"] == pytest.approx(0.0625)
    assert len([e for e in document["comparisons"] if e["metric"] == "success"]) == 2
    assert "against plain: a on t in x" in page(document, report.episodes(rows))


def test_holm_corrects_over_all_comparisons_of_a_metric():
    rows = [
        Outcome(Job(policy, "t", "x", seed, {}), seed >= lost)
        for policy, lost in (("good", 0), ("fair", 8), ("bad", 16))
        for seed in range(16)
    ]
    document = report.document(rows, ORIGIN)
    found = {(e["a"], e["b"]): (e["p"], e["p_holm"]) for e in document["comparisons"]}
    assert found["good", "bad"] == pytest.approx((2 / 2**16, 6 / 2**16))
    assert found["good", "fair"] == pytest.approx((2 / 2**8, 4 / 2**8))
    (ranking,) = document["rankings"]
    assert ranking["letters"] == {"good": "a", "fair": "b", "bad": "c"}
    first = document["comparisons"][0]
    assert first["sequential"]["decided_after"] == 7


def test_recipes_are_compared_over_their_trainings():
    wins = {"a0": 7, "a1": 8, "a2": 9, "b0": 5, "b1": 6, "b2": 7}
    rows = [
        Outcome(Job(policy, "t", "x", seed, {}), seed < won)
        for policy, won in wins.items()
        for seed in range(10)
    ]
    recipes = {"a": ("a0", "a1", "a2"), "b": ("b0", "b1", "b2")}
    document = report.document(rows, ORIGIN, None, recipes)
    (found,) = document["recipes"]
    assert found["recipes"]["a"]["trainings"] == 3
    assert found["recipes"]["a"]["success"]["mean"] == pytest.approx(0.8)
    (compared,) = found["comparisons"]
    assert compared["difference"] == pytest.approx(0.2)
    assert compared["p"] == pytest.approx(0.0704840, abs=1e-6)
    assert "Training recipes: t in x" in page(document, report.episodes(rows))


def test_backends_agree_policy_by_policy():
    rows = [
        Outcome(Job(policy, "t", backend, seed, {}), seed < won)
        for backend, wins in (("x", (2, 5, 9)), ("y", (1, 6, 9)))
        for policy, won in zip("abc", wins, strict=True)
        for seed in range(10)
    ]
    (found,) = report.document(rows, ORIGIN)["agreements"]
    assert (found["sim"], found["real"], found["policies"]) == ("x", "y", ["a", "b", "c"])
    assert found["mmrv"]["mean"] == 0.0
    low, high = found["pearson"]["ci95"]
    assert low < found["pearson"]["mean"] < high


def test_pairs_are_made_by_seed_not_by_position():
    rows = outcomes()
    shuffled = [*rows[:8], *reversed(rows[8:])]
    assert (
        report.document(rows, ORIGIN)["comparisons"]
        == report.document(shuffled, ORIGIN)["comparisons"]
    )


def test_a_longer_evaluation_begins_with_a_shorter_one():
    rows = report.episodes(outcomes(policies=("a",)))
    assert report.episodes(outcomes(policies=("a",), seeds=range(5))) == rows[:5]


@pytest.mark.parametrize("seeds", [range(1), range(8)])
def test_page_stands_alone_and_escapes_names(seeds):
    rows = [random_walk(Job("<a>", "walk", "x", seed, {})) for seed in seeds]
    rows.append(crashed(Job("<a>", "walk", "x", 99, {}), "broke <b>"))
    html = page(report.document(rows, ORIGIN), report.episodes(rows))
    assert "&lt;a&gt;" in html
    assert "<a>" not in html
    assert "broke &lt;b&gt;" in html
    assert html.count('class="plotly-graph-div"') == 3  # success, end, fall
    without_library = re.sub(r"<script>.*?</script>", "", html, count=1, flags=re.DOTALL)
    for outside in ("http", "src=", "href=", "url(", "@import"):
        assert outside not in without_library


def test_the_card_is_a_table_of_cells_and_one_of_comparisons():
    rows = [
        Outcome(Job(policy, "t", "x", seed, {}), seed >= lost)
        for policy, lost in (("good", 0), ("b|d", 16))
        for seed in range(16)
    ]
    lines = card(report.document(rows, ORIGIN)).splitlines()
    assert lines[2] == "| policy | task | backend | condition | episodes | success ↑ |"
    assert lines[4] == "| good | t | x | - | 16 | 1 [0.806, 1] |"
    assert r"| good − b\|d | t | 1 [" in "\n".join(lines)


def test_the_worst_failures_come_in_turn_from_the_cells():
    rows = [
        Outcome(Job(policy, "t", "x", seed, {}), seed == 0, {"progress": seed / 4.0}, 1.0)
        for policy in ("a", "b")
        for seed in (3, 0, 2, 1)
    ]
    rows.append(crashed(Job("a", "t", "x", 9, {}), "broke"))
    found = [(outcome.job.policy, outcome.job.seed) for outcome in worst(rows, 3)]
    assert found == [("a", 1), ("b", 1), ("a", 2)]
