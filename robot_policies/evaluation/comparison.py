"""Cells held against each other: paired differences, letters, agreement of two backends.

All of it is about the checkpoints that ran. Another training of the same recipe is another
checkpoint, and how much trainings differ cannot be seen in one of them.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from robot_policies.evaluation import statistics
from robot_policies.evaluation.episode import Cell, Outcome
from robot_policies.evaluation.statistics.agreement import agreement
from robot_policies.evaluation.statistics.estimates import ALPHA, Difference, interval
from robot_policies.evaluation.statistics.families import holm, letters
from robot_policies.evaluation.statistics.sequential import watch

Cells = Mapping[Cell, Sequence[Outcome]]
PLAIN = "plain"  # what a condition without a name is called beside one that has a name
SUCCESS = "success"
AT = " @ "  # between a policy and the backend or condition it ran in


def comparisons(cells: Cells) -> list[dict[str, Any]]:
    """Return the paired comparisons of the cells of one task that differ in one other thing.

    Conditions are held against the first one alone, so that its comparisons are corrected for
    their own number.

    `p_holm` is corrected for all comparisons of the same metric. `sequential` of the success says
    after how many pairs, in the order of the seeds, a test that may stop at any pair was sure.
    """
    firsts: dict[tuple[str, ...], str] = {}
    for cell in cells:
        firsts.setdefault(cell[:3], cell.condition)
    found = [
        entry
        for a, b in combinations(cells, 2)
        if a.condition in (b.condition, firsts[a[:3]])
        for entry in _compare(a, cells[a], b, cells[b])
    ]
    for metric in dict.fromkeys(entry["metric"] for entry in found):
        family = [entry for entry in found if entry["metric"] == metric]
        for entry, p in zip(family, holm([entry["p"] for entry in family]), strict=True):
            entry["p_holm"] = p
    return found


def rankings(cells: Cells, compared: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the policies of each task, backend and condition, best first, with their letters.

    Two policies share a letter exactly if their success is not known to differ.

    Args:
        cells: The outcomes by cell.
        compared: Of `comparisons`.
    """
    groups: dict[tuple[str, str, str], dict[str, float]] = {}
    for cell, outcomes in cells.items():
        where = (cell.task, cell.backend, cell.condition)
        successes = sum(outcome.success for outcome in outcomes)
        groups.setdefault(where, {})[cell.policy] = successes / len(outcomes)
    ranked = []
    for where, rates in groups.items():
        if len(rates) < 2:
            continue
        different = [
            (entry["a"], entry["b"])
            for entry in compared
            if entry["metric"] == SUCCESS
            and (entry["task"], entry["backend"], entry["condition"]) == where
            and entry["p_holm"] <= ALPHA
        ]
        best = sorted(rates, key=lambda policy: -rates[policy])
        named = dict(zip(("task", "backend", "condition"), where, strict=True))
        ranked.append({**named, "letters": letters(best, different)})
    return ranked


def attributions(compared: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what each condition costs in success against the first, the worst first.

    With conditions that change one thing each, this says which of the things a policy cannot bear.

    Args:
        compared: Of `comparisons`.
    """
    grouped: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for entry in compared:
        if entry["metric"] == SUCCESS and entry["condition"] is None:
            where = (entry["a"], entry["task"], entry["backend"])
            grouped.setdefault(where, []).append(entry)
    found = []
    for (first, task, backend), entries in grouped.items():
        costs = [
            {
                "condition": entry["b"].rpartition(AT)[2],
                "cost": {"mean": entry["difference"], "ci95": entry["ci95"]},
                "p_holm": entry["p_holm"],
            }
            for entry in sorted(entries, key=lambda entry: -entry["difference"])
        ]
        policy, _, against = first.rpartition(AT)
        about = {"policy": policy, "task": task, "backend": backend, "against": against}
        found.append({**about, "costs": costs})
    return found


def agreements(cells: Cells) -> list[dict[str, Any]]:
    """Return how well the rates in one backend tell those in another, task by task."""
    counts: dict[tuple[str, str], dict[str, dict[str, tuple[int, int]]]] = {}
    for cell, outcomes in cells.items():
        successes = sum(outcome.success for outcome in outcomes)
        by_backend = counts.setdefault((cell.task, cell.condition), {})
        by_backend.setdefault(cell.backend, {})[cell.policy] = (successes, len(outcomes))
    found = []
    for (task, condition), by_backend in counts.items():
        for sim, real in combinations(by_backend, 2):
            shared = [policy for policy in by_backend[sim] if policy in by_backend[real]]
            if len(shared) < 2:
                continue
            result = agreement(
                sim=[by_backend[sim][policy] for policy in shared],
                real=[by_backend[real][policy] for policy in shared],
            )
            found.append(
                {
                    "task": task,
                    "condition": condition,
                    "sim": sim,
                    "real": real,
                    "policies": shared,
                    "pearson": result.pearson.to_json(),
                    "mmrv": result.mmrv.to_json(),
                }
            )
    return found


def _compare(
    a: Cell, outcomes_a: Sequence[Outcome], b: Cell, outcomes_b: Sequence[Outcome]
) -> list[dict[str, Any]]:
    different = [name for name in Cell._fields if getattr(a, name) != getattr(b, name)]
    if len(different) != 1 or different == ["task"]:
        return []
    (changed,) = different
    by_seed = {outcome.job.seed: outcome for outcome in outcomes_b}
    ordered = sorted(outcomes_a, key=lambda outcome: outcome.job.seed)
    pairs = [(one, by_seed[one.job.seed]) for one in ordered if one.job.seed in by_seed]
    about = {
        "a": _name(a, changed),
        "b": _name(b, changed),
        "task": a.task,
        "backend": None if changed == "backend" else a.backend,
        "condition": None if changed == "condition" else a.condition,
    }
    return [
        {**about, "metric": metric, **_differ(result), **extra}
        for metric, result, extra in _differences(pairs)
    ]


def _differences(
    pairs: Sequence[tuple[Outcome, Outcome]],
) -> list[tuple[str, Difference, dict[str, Any]]]:
    ours, theirs = ([pair[i].success for pair in pairs] for i in (0, 1))
    watched = watch(ours, theirs)
    sequential = {"p": watched.p, "decided_after": watched.decided_after}
    result = statistics.compare_success(ours, theirs)
    found = [(SUCCESS, result, {"sequential": sequential})]
    for metric in dict.fromkeys(name for one, _ in pairs for name in one.metrics):
        both = [
            (one.metrics[metric], other.metrics[metric])
            for one, other in pairs
            if metric in one.metrics and metric in other.metrics
        ]
        if both:
            values = [pair[0] for pair in both], [pair[1] for pair in both]
            result = statistics.compare_means(*values)
            found.append((metric, result, {}))
    return found


def _differ(result: Difference) -> dict[str, Any]:
    return {
        "test": result.test,
        "p": result.p,
        "difference": result.difference,
        "ci95": interval(result.low, result.high),
    }


def _name(cell: Cell, changed: str) -> str:
    if changed == "policy":
        return cell.policy
    return f"{cell.policy}{AT}{getattr(cell, changed) or PLAIN}"
