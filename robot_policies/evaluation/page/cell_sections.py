"""Sections of the page about single cells and their episodes."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from robot_policies.evaluation.metrics import titled
from robot_policies.evaluation.page import plots
from robot_policies.evaluation.page.labels import NONE, estimate, label, number, table

Document = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]


def summary(cells: Rows, metrics: Sequence[str], document: Document) -> str:
    """Return the table of the cells, with letters of the policies."""
    letters = {
        (policy, entry["task"], entry["backend"], entry["condition"]): text
        for entry in document["rankings"]
        for policy, text in entry["letters"].items()
    }
    named = [titled(name, document["metrics"]) for name in ("success", *metrics)]
    keys = ("policy", "task", "backend", "condition")
    rows = [
        (
            *(cell[key] or NONE for key in keys),
            cell["episodes"],
            len(cell["errors"]),
            letters.get(tuple(cell[key] for key in keys), NONE),
            estimate(cell["success"]),
            *(estimate(cell["metrics"].get(name)) for name in metrics),
        )
        for cell in cells
    ]
    note = "<p class=quiet>Policies that share a letter are not known to differ in success.</p>"
    return table((*keys, "episodes", "errors", "letter", *named), rows) + note


def refused(cells: Rows) -> str:
    """Return the cells that cannot run, and why."""
    rows = [(label(cell), cell["refused"]) for cell in cells if "refused" in cell]
    if not rows:
        return ""
    shown = table(("cell", "why"), rows)
    return f"<details><summary>{len(rows)} cells cannot run</summary>{shown}</details>"


def metric(name: str, cells: Rows, episodes: Rows, document: Document) -> str:
    """Return the plot of one metric."""
    rows = [(label(cell), cell["metrics"][name]) for cell in cells if name in cell["metrics"]]
    values: dict[str, list[float]] = {}
    for episode in episodes:
        if name in episode["metrics"]:
            values.setdefault(label(episode), []).append(episode["metrics"][name])
    is_rate = all(value in (0.0, 1.0) for each in values.values() for value in each)
    return f"<h2>{escape(titled(name, document['metrics']))}</h2>" + plots.forest(
        rows, values, plots.RATE if is_rate else None
    )


def causes(cells: Rows) -> str:
    """Return how often what ended the episodes."""
    rows = [
        (label(cell), cause, count) for cell in cells for cause, count in cell["causes"].items()
    ]
    return "<h2>How the episodes ended</h2>" + table(("cell", "cause", "episodes"), rows)


def errors(cells: Rows) -> str:
    """Return the episodes that crashed."""
    rows = [(label(c), entry["seed"], entry["error"]) for c in cells for entry in c["errors"]]
    if not rows:
        return ""
    shown = table(("cell", "seed", "error"), rows)
    return f'<h2 class="bad">Episodes that crashed</h2>{shown}'


def films(films: Mapping[str, Path]) -> str:
    """Return films, inside the page."""
    shown = [
        f"<figure><video controls preload=metadata src='data:video/mp4;base64,"
        f"{b64encode(path.read_bytes()).decode()}'></video><figcaption>{escape(title)}"
        "</figcaption></figure>"
        for title, path in films.items()
    ]
    return "<h2>The worst failures</h2>" + "".join(shown) if shown else ""


def episodes(episodes: Rows, metrics: Sequence[str]) -> str:
    """Return the table of all episodes, folded."""
    head = ("cell", "seed", "success", "ended", "duration [s]", *metrics)
    rows = [
        (
            label(episode),
            episode["seed"],
            "yes" if episode["success"] else "no",
            episode["ended"],
            f"{episode['duration']:.2f}",
            *(number(episode["metrics"].get(name)) for name in metrics),
        )
        for episode in episodes
    ]
    shown = table(head, rows)
    return f"<h2>Episodes</h2><details><summary>{len(rows)} episodes</summary>{shown}</details>"


def lines(mapping: Mapping[str, Any], indent: str = "") -> str:
    """Return nested data as indented lines."""
    found = []
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            found += [f"{indent}{key}:", lines(value, indent + "  ")]
        else:
            found.append(f"{indent}{key}: {value}")
    return "\n".join(found)
