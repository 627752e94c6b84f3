"""Training recipes held against each other, where a suite has several trainings of each."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from robot_policies.evaluation.comparison import Cells
from robot_policies.evaluation.statistics.estimates import interval
from robot_policies.evaluation.statistics.recipes import compare_recipes, recipe

Recipes = Mapping[str, Sequence[str]]
Where = tuple[str, str, str]  # task, backend, condition


def recipe_results(cells: Cells, recipes: Recipes) -> list[dict[str, Any]]:
    """Return the success of each recipe over its trainings, and what tells two recipes apart.

    Args:
        cells: The outcomes by cell.
        recipes: Policies by recipe; a cell that did not run is left out of its recipe.
    """
    rates: dict[Where, dict[str, list[float]]] = {}
    for cell, outcomes in cells.items():
        for name, policies in recipes.items():
            if cell.policy in policies:
                by_name = rates.setdefault((cell.task, cell.backend, cell.condition), {})
                share = sum(outcome.success for outcome in outcomes) / len(outcomes)
                by_name.setdefault(name, []).append(share)
    return [
        {
            "task": task,
            "backend": backend,
            "condition": condition,
            "recipes": {
                name: {"trainings": len(found), "success": recipe(found).to_json()}
                for name, found in by_name.items()
            },
            "comparisons": _compare(by_name),
        }
        for (task, backend, condition), by_name in rates.items()
    ]


def _compare(by_name: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    found = []
    for a, b in combinations(by_name, 2):
        result = compare_recipes(by_name[a], by_name[b])
        if result is not None:
            ends = interval(result.low, result.high)
            entry = {"a": a, "b": b, "test": result.test, "p": result.p}
            found.append({**entry, "difference": result.difference, "ci95": ends})
    return found
