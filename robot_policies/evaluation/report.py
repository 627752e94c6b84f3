"""From outcomes to the evaluation document, the JSON that scripts read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from robot_policies.evaluation import statistics
from robot_policies.evaluation.comparison import agreements, attributions, comparisons, rankings
from robot_policies.evaluation.episode import Cell, Outcome
from robot_policies.evaluation.metrics import describe
from robot_policies.evaluation.recipes import recipe_results

ABOUT = "these checkpoints; another training of the same recipe may differ by more"
BOUNDS = {"progress": (0.0, 1.0)}  # of a metric that is no count of episodes, by its definition


def document(
    outcomes: Sequence[Outcome],
    provenance: dict[str, Any],
    refused: Mapping[Cell, str] | None = None,
    recipes: Mapping[str, Sequence[str]] | None = None,
    compared: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the evaluation document.

    `cells` hold mean and 95 % interval of `success` and of every metric; an episode that crashed
    counts as no success, has no metrics, and is listed under `errors` with its seed. `causes`
    counts why the episodes ended, `retried` those whose process died once. A cell that cannot run
    has no episodes, and `refused` says why. `comparisons` pair the cells of one task that differ
    in the policy, the backend or the condition, by seed; names that carry a backend or a condition
    read `policy @ backend`. `rankings` give letters to policies, `attributions` say what
    each condition costs against the first, `agreements` compare backends. `recipes` alone are
    about training recipes, all else is about the checkpoints that ran. `metrics` says what each
    is measured in and which direction is better.

    Args:
        outcomes: Of all episodes.
        provenance: What they depend on.
        refused: Why some cells could not run.
        recipes: Policies that are trainings of one recipe, by its name.
        compared: Comparisons of cells whose seeds say nothing, instead of those by pairs.
    """
    cells: dict[Cell, list[Outcome]] = {}
    for outcome in outcomes:
        cells.setdefault(outcome.job.cell, []).append(outcome)
    named = dict.fromkeys(name for outcome in outcomes for name in outcome.metrics)
    compared = comparisons(cells) if compared is None else compared
    return {
        "metrics": describe(["success", *named]),
        "cells": [
            *(_cell(name, episodes) for name, episodes in cells.items()),
            *({**_cell(name, []), "refused": why} for name, why in (refused or {}).items()),
        ],
        "comparisons": compared,
        "rankings": rankings(cells, compared),
        "attributions": attributions(compared),
        "agreements": agreements(cells),
        "recipes": recipe_results(cells, recipes or {}),
        "about": ABOUT,
        "provenance": provenance,
    }


def episodes(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return one row per episode, initial condition included."""
    return [
        {
            "policy": outcome.job.policy,
            "task": outcome.job.task,
            "backend": outcome.job.backend,
            "condition": outcome.job.condition.name,
            "seed": outcome.job.seed,
            "success": outcome.success,
            "metrics": dict(outcome.metrics),
            "duration": outcome.duration,
            "ended": outcome.ended,
            "error": outcome.error,
            "attempts": outcome.attempts,
            "initial": outcome.job.initial,
        }
        for outcome in outcomes
    ]


def _cell(cell: Cell, outcomes: list[Outcome]) -> dict[str, Any]:
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.metrics)
    successes = sum(outcome.success for outcome in outcomes)
    return {
        **cell._asdict(),
        "episodes": len(outcomes),
        "success": statistics.rate(successes, len(outcomes)).to_json(),
        "metrics": {
            name: statistics.mean(
                [o.metrics[name] for o in outcomes if name in o.metrics], BOUNDS.get(name)
            ).to_json()
            for name in names
        },
        "causes": dict(Counter(outcome.ended.partition(":")[0] for outcome in outcomes)),
        "retried": sum(outcome.attempts > 1 for outcome in outcomes),
        "errors": [{"seed": o.job.seed, "error": o.error} for o in outcomes if o.error],
    }
