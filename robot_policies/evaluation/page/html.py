"""The page: one self-contained file, no network, no file beside it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from robot_policies.evaluation.metrics import titled
from robot_policies.evaluation.page import plots
from robot_policies.evaluation.page.labels import NONE, estimate, label, number, table

Document = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]

STYLE = """
:root { color-scheme: light; --line: #8884; --bad: #c33; }
body { font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; white-space: nowrap; }
th, td { border-bottom: 1px solid var(--line); }
.wide { overflow-x: auto; } .bad { color: var(--bad); } .quiet { opacity: .65; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""


def page(document: Document, episodes: Rows) -> str:
    """Return the page.

    Args:
        document: The evaluation document of `report.document`.
        episodes: The rows of `report.episodes`.
    """
    cells = [cell for cell in document["cells"] if "refused" not in cell]
    metrics = list(dict.fromkeys(name for cell in cells for name in cell["metrics"]))
    sections = [
        "<h1>Evaluation</h1>",
        f"<p class=quiet>{escape(document['provenance']['created'])} · about "
        f"{escape(document['about'])} · intervals are 95 %: Wilson for rates, Student's t for "
        "means · a crashed episode counts as no success · ↑ more is better, ↓ less is better</p>",
        _summary(cells, metrics, document),
        _refused(document["cells"]),
        f"<h2>{escape(titled('success', document['metrics']))}</h2>",
        plots.forest([(label(cell), cell["success"]) for cell in cells], span=plots.RATE),
        _conditions(cells),
        *map(_attribution, document["attributions"]),
        *(_metric(name, cells, episodes, document) for name in metrics),
        _comparisons(document["comparisons"]),
        *(_agreement(entry, cells) for entry in document["agreements"]),
        *map(_recipes, document["recipes"]),
        _causes(cells),
        _errors(cells),
        _episodes(episodes, metrics),
        "<h2>Provenance</h2>",
        f"<pre>{escape(_lines(document['provenance']))}</pre>",
    ]
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation</title><style>{STYLE}</style>{plots.library()}</head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _summary(cells: Rows, metrics: Sequence[str], document: Document) -> str:
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


def _refused(cells: Rows) -> str:
    rows = [(label(cell), cell["refused"]) for cell in cells if "refused" in cell]
    return f"<h2>Cannot run</h2>{table(('cell', 'why'), rows)}" if rows else ""


def _conditions(cells: Rows) -> str:
    if len({cell["condition"] for cell in cells}) < 2:
        return ""
    return "<h2>Success over conditions</h2>" + plots.heat(cells)


def _attribution(entry: Mapping[str, Any]) -> str:
    rows = [
        (f"{cost['condition']} (Holm's p {cost['p_holm']:.2g})", cost["cost"])
        for cost in entry["costs"]
    ]
    where = f"{entry['policy']} on {entry['task']} in {entry['backend']}"
    title = f"What conditions cost in success against {entry['against']}: {where}"
    return f"<h2>{escape(title)}</h2>" + plots.forest(rows, span=plots.LOSS)


def _metric(name: str, cells: Rows, episodes: Rows, document: Document) -> str:
    rows = [(label(cell), cell["metrics"][name]) for cell in cells if name in cell["metrics"]]
    values: dict[str, list[float]] = {}
    for episode in episodes:
        if name in episode["metrics"]:
            values.setdefault(label(episode), []).append(episode["metrics"][name])
    is_rate = all(value in (0.0, 1.0) for each in values.values() for value in each)
    return f"<h2>{escape(titled(name, document['metrics']))}</h2>" + plots.forest(
        rows, values, plots.RATE if is_rate else None
    )


def _comparisons(comparisons: Rows) -> str:
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
        "<p class=quiet>Paired by seed. Holm's p is corrected for all comparisons of the metric; "
        "a test that may stop at any pair was sure after so many.</p>"
    )
    return "<h2>Comparisons</h2>" + note + table(head, rows)


def _agreement(entry: Mapping[str, Any], cells: Rows) -> str:
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


def _recipes(entry: Mapping[str, Any]) -> str:
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


def _causes(cells: Rows) -> str:
    rows = [
        (label(cell), cause, count) for cell in cells for cause, count in cell["causes"].items()
    ]
    return "<h2>How the episodes ended</h2>" + table(("cell", "cause", "episodes"), rows)


def _errors(cells: Rows) -> str:
    rows = [(label(c), entry["seed"], entry["error"]) for c in cells for entry in c["errors"]]
    if not rows:
        return ""
    shown = table(("cell", "seed", "error"), rows)
    return f'<h2 class="bad">Episodes that crashed</h2>{shown}'


def _episodes(episodes: Rows, metrics: Sequence[str]) -> str:
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


def _lines(mapping: Mapping[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}:", _lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value}")
    return "\n".join(lines)
