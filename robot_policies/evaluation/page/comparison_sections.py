"""Sections of the page that hold cells against each other."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from robot_policies.evaluation.page import plots
from robot_policies.evaluation.page.labels import NONE, estimate, table

Rows = Sequence[Mapping[str, Any]]


def conditions(cells: Rows) -> str:
    """Return the success over conditions, if there are several."""
    if len({cell["condition"] for cell in cells}) < 2:
        return ""
    return "<h2>Success over conditions</h2>" + plots.heat(cells)


def attribution(entry: Mapping[str, Any]) -> str:
    """Return what each condition costs."""
    rows = [
        (f"{cost['condition']} (Holm's p {cost['p_holm']:.2g})", cost["cost"])
        for cost in entry["costs"]
    ]
    where = f"{entry['policy']} on {entry['task']} in {entry['backend']}"
    title = f"What conditions cost in success against {entry['against']}: {where}"
    return f"<h2>{escape(title)}</h2>" + plots.forest(rows, span=plots.LOSS)


def comparisons(comparisons: Rows) -> str:
    """Return the table of all comparisons."""
    if not comparisons:
        return ""
    rows = [
        (
            f"{entry['a']} − {entry['b']}",
            entry["task"],
            entry["backend"] or "both",
            entry["metric"],
            estimate({"mean": entry["difference"], "ci95": entry["ci95"]}),
            f"{entry['p']:.3g}",
            f"{entry['p_holm']:.3g}",
            entry.get("sequential", {}).get("decided_after") or NONE,
            entry["test"],
        )
        for entry in comparisons
    ]
    head = (
        "a − b",
        "task",
        "backend",
        "metric",
        "difference",
        "p",
        "p (Holm)",
        "sure after",
        "test",
    )
    note = (
        "<p class=quiet>Paired by seed, but for Boschloo's test. Holm's p is corrected for all "
        "comparisons of the metric; a test that may stop at any pair was sure after so many.</p>"
    )
    return "<h2>Comparisons</h2>" + note + table(head, rows)


def agreement(entry: Mapping[str, Any], cells: Rows) -> str:
    """Return how well one backend tells another."""
    where = (entry["task"], entry["condition"])
    rates = {
        (cell["policy"], cell["backend"]): cell["success"]
        for cell in cells
        if (cell["task"], cell["condition"]) == where
    }
    sim, real = (
        [(policy, rates[policy, entry[side]]) for policy in entry["policies"]]
        for side in ("sim", "real")
    )
    title = f"{entry['sim']} against {entry['real']}: {entry['task']}"
    figures = f"Pearson {estimate(entry['pearson'])}, MMRV {estimate(entry['mmrv'])}"
    drawn = plots.scatter(sim, real, (entry["sim"], entry["real"]))
    return f"<h2>{escape(title)}</h2><p>{escape(figures)}</p>{drawn}"


def recipes(entry: Mapping[str, Any]) -> str:
    """Return what is found of training recipes."""
    found = entry["recipes"]
    rows = [(name, of["trainings"], estimate(of["success"])) for name, of in found.items()]
    differ = [
        (
            f"{each['a']} − {each['b']}",
            estimate({"mean": each["difference"], "ci95": each["ci95"]}),
            f"{each['p']:.3g}",
        )
        for each in entry["comparisons"]
    ]
    title = f"Training recipes: {entry['task']} in {entry['backend']}"
    shown = table(("recipe", "trainings", "success ↑"), rows)
    if differ:
        shown += table(("a − b", "difference", "p"), differ)
    return f"<h2>{escape(title)}</h2>{shown}"
