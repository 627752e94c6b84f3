"""From outcomes to the evaluation document, the JSON that scripts read."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from robot_policies.evaluation import statistics
from robot_policies.evaluation.episode import Outcome
from robot_policies.evaluation.metrics import describe

Cell = tuple[str, str, str]
BOUNDS = {"progress": (0.0, 1.0)}  # of a metric that is no count of episodes, by its definition


def document(outcomes: Sequence[Outcome], provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the evaluation document.

    `cells` hold mean and 95 % interval of `success` and of every metric; an episode that crashed
    counts as no success, has no metrics, and is listed under `errors` with its seed. `comparisons`
    pair the cells of one task that differ in the policy or in the backend, by seed; names that
    carry the backend read `policy @ backend`. `metrics` says what each is measured in and which
    direction is better.
    """
    cells: dict[Cell, list[Outcome]] = {}
    for outcome in outcomes:
        cells.setdefault(outcome.job.cell, []).append(outcome)
    named = dict.fromkeys(name for outcome in outcomes for name in outcome.metrics)
    return {
        "metrics": describe(["success", *named]),
        "cells": [_cell(name, episodes) for name, episodes in cells.items()],
        "comparisons": [
            comparison
            for a, b in combinations(cells, 2)
            for comparison in _compare(a, cells[a], b, cells[b])
        ],
        "provenance": provenance,
    }


def episodes(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return one row per episode, initial condition included."""
    return [
        {
            "policy": outcome.job.policy,
            "task": outcome.job.task,
            "backend": outcome.job.backend,
            "seed": outcome.job.seed,
            "success": outcome.success,
            "metrics": dict(outcome.metrics),
            "duration": outcome.duration,
            "ended": outcome.ended,
            "error": outcome.error,
            "initial": outcome.job.initial,
        }
        for outcome in outcomes
    ]


def _cell(cell: Cell, outcomes: list[Outcome]) -> dict[str, Any]:
    policy, task, backend = cell
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.metrics)
    successes = sum(outcome.success for outcome in outcomes)
    return {
        "policy": policy,
        "task": task,
        "backend": backend,
        "episodes": len(outcomes),
        "success": statistics.rate(successes, len(outcomes)).to_json(),
        "metrics": {
            name: statistics.mean(
                [o.metrics[name] for o in outcomes if name in o.metrics], BOUNDS.get(name)
            ).to_json()
            for name in names
        },
        "errors": [{"seed": o.job.seed, "error": o.error} for o in outcomes if o.error],
    }


def _compare(
    a: Cell, outcomes_a: list[Outcome], b: Cell, outcomes_b: list[Outcome]
) -> list[dict[str, Any]]:
    same_policy, same_task, same_backend = (x == y for x, y in zip(a, b, strict=True))
    if not same_task or same_policy == same_backend:
        return []
    names = (a[0], b[0]) if same_backend else (f"{a[0]} @ {a[2]}", f"{b[0]} @ {b[2]}")
    by_seed = {outcome.job.seed: outcome for outcome in outcomes_b}
    pairs = [(one, by_seed[one.job.seed]) for one in outcomes_a if one.job.seed in by_seed]
    found = {
        "success": statistics.compare_success(
            [one.success for one, _ in pairs], [other.success for _, other in pairs]
        )
    }
    for metric in dict.fromkeys(name for one, _ in pairs for name in one.metrics):
        both = [
            (one.metrics[metric], other.metrics[metric])
            for one, other in pairs
            if metric in one.metrics and metric in other.metrics
        ]
        if both:
            found[metric] = statistics.compare_means([x for x, _ in both], [y for _, y in both])
    return [
        {
            "a": names[0],
            "b": names[1],
            "task": a[1],
            "backend": a[2] if same_backend else None,
            "metric": metric,
            "test": result.test,
            "p": result.p,
            "difference": result.difference,
            "ci95": [result.low, result.high],
        }
        for metric, result in found.items()
    ]
