"""The evaluation as one self-contained HTML page: no scripts, no files beside it, no network."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from robot_policies.evaluation.metrics import titled

Meanings = Mapping[str, Mapping[str, str]]
AXIS, ROW, LETTER, MARGIN = 380, 26, 7, 20  # of the plots: widths and a row's height [px]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --mark: #2a6fdb; --bad: #c33; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; }
body { padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
.wide { overflow-x: auto; } .bad { color: var(--bad); } .quiet { opacity: .65; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
svg .axis { stroke: var(--line); } svg .mark { stroke: var(--mark); fill: var(--mark); }
svg .dot { fill: var(--mark); fill-opacity: .35; }
pre { white-space: pre-wrap; }
"""


def page(document: Mapping[str, Any], episodes: Sequence[Mapping[str, Any]]) -> str:
    """Return the page.

    Args:
        document: The evaluation document of `report.document`.
        episodes: The rows of `report.episodes`.
    """
    cells, meanings = document["cells"], document["metrics"]
    metrics = list(dict.fromkeys(name for cell in cells for name in cell["metrics"]))
    sections = [
        "<h1>Evaluation</h1>",
        f"<p class=quiet>{escape(document['provenance']['created'])} · intervals are 95 %: Wilson "
        "for rates, Student's t for means · a crashed episode counts as no success · ↑ more is "
        "better, ↓ less is better</p>",
        _summary(cells, metrics, meanings),
        f"<h2>{escape(titled('success', meanings))}</h2>",
        _intervals([(_label(cell), cell["success"]) for cell in cells]),
        *(_metric(name, cells, episodes, meanings) for name in metrics),
        _comparisons(document["comparisons"]),
        _errors(cells),
        _episodes(episodes, metrics),
        "<h2>Provenance</h2>",
        f"<pre>{escape(_lines(document['provenance']))}</pre>",
    ]
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _summary(
    cells: Sequence[Mapping[str, Any]], metrics: Sequence[str], meanings: Meanings
) -> str:
    named = [titled(name, meanings) for name in ("success", *metrics)]
    head = ("policy", "task", "backend", "episodes", "errors", *named)
    rows = [
        (
            *(cell[key] for key in ("policy", "task", "backend", "episodes")),
            len(cell["errors"]),
            _interval(cell["success"]),
            *(_interval(cell["metrics"].get(name)) for name in metrics),
        )
        for cell in cells
    ]
    return _table(head, rows)


def _metric(
    name: str,
    cells: Sequence[Mapping[str, Any]],
    episodes: Sequence[Mapping[str, Any]],
    meanings: Meanings,
) -> str:
    rows = [(_label(cell), cell["metrics"][name]) for cell in cells if name in cell["metrics"]]
    values: dict[str, list[float]] = {}
    for episode in episodes:
        if name in episode["metrics"]:
            values.setdefault(_label(episode), []).append(episode["metrics"][name])
    return f"<h2>{escape(titled(name, meanings))}</h2>" + _intervals(rows, values)


def _intervals(
    rows: Sequence[tuple[str, Mapping[str, Any]]], values: Mapping[str, list[float]] | None = None
) -> str:
    """Draw a mean with its interval per row, over the episodes' values, on a common axis."""
    ends = [v for row in (values or {}).values() for v in row]
    if set(ends) <= {0.0, 1.0}:  # a rate: its axis is all there can be
        ends = [0.0, 1.0]
    ends += [end for _, estimate in rows for end in estimate["ci95"] or ()]
    low, high = min(ends), max(ends)
    if high <= low:
        low, high = low - 0.5, high + 0.5

    left = LETTER * max((len(label) for label, _ in rows), default=0) + MARGIN
    right = left + AXIS

    def x(value: float) -> str:
        return f"{left + (value - low) / (high - low) * AXIS:.1f}"

    width, height = right + MARGIN, ROW * len(rows) + 24
    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img">']
    for index, (label, estimate) in enumerate(rows):
        y = ROW * index + ROW // 2
        parts.append(f'<text x="0" y="{y + 4}">{escape(label)}</text>')
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts += [
            f'<circle class="dot" cx="{x(value)}" cy="{y}" r="3"/>'
            for value in (values or {}).get(label, ())
        ]
        if estimate["ci95"]:
            a, b = (x(end) for end in estimate["ci95"])
            parts.append(
                f'<line class="mark" stroke-width="2" x1="{a}" x2="{b}" y1="{y}" y2="{y}"/>'
            )
        if estimate["mean"] is not None:
            center = x(estimate["mean"])
            parts.append(f'<circle class="mark" cx="{center}" cy="{y}" r="4.5"/>')
    for value, anchor in ((low, "start"), (high, "end")):
        parts.append(
            f'<text x="{x(value)}" y="{height - 6}" text-anchor="{anchor}">{value:.3g}</text>'
        )
    return "".join([*parts, "</svg>"])


def _comparisons(comparisons: Sequence[Mapping[str, Any]]) -> str:
    if not comparisons:
        return ""
    rows = [
        (
            f"{entry['a']} − {entry['b']}",
            entry["task"],
            entry["backend"] or "both",
            entry["metric"],
            _interval({"mean": entry["difference"], "ci95": entry["ci95"]}),
            f"{entry['p']:.3g}",
            entry["test"],
        )
        for entry in comparisons
    ]
    head = ("a − b", "task", "backend", "metric", "difference", "p", "test")
    note = "<p class=quiet>Paired by seed; p values are not corrected for their number.</p>"
    return "<h2>Comparisons</h2>" + note + _table(head, rows)


def _errors(cells: Sequence[Mapping[str, Any]]) -> str:
    rows = [(_label(c), entry["seed"], entry["error"]) for c in cells for entry in c["errors"]]
    if not rows:
        return ""
    table = _table(("cell", "seed", "error"), rows)
    return f'<h2 class="bad">Episodes that crashed</h2>{table}'


def _episodes(episodes: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> str:
    head = ("policy", "task", "backend", "seed", "success", "ended", "duration [s]", *metrics)
    rows = [
        (
            *(episode[key] for key in ("policy", "task", "backend", "seed")),
            "yes" if episode["success"] else "no",
            episode["ended"],
            f"{episode['duration']:.2f}",
            *(_number(episode["metrics"].get(name)) for name in metrics),
        )
        for episode in episodes
    ]
    return (
        f"<h2>Episodes</h2><details><summary>{len(rows)} episodes</summary>"
        f"{_table(head, rows)}</details>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<div class=wide><table><tr>{top}</tr>{body}</table></div>"


def _label(entry: Mapping[str, Any]) -> str:
    return f"{entry['policy']} · {entry['task']} · {entry['backend']}"


def _interval(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None or estimate["mean"] is None:
        return "-"
    if estimate["ci95"] is None:
        return _number(estimate["mean"])
    low, high = estimate["ci95"]
    return f"{_number(estimate['mean'])} [{_number(low)}, {_number(high)}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _lines(mapping: Mapping[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}:", _lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value}")
    return "\n".join(lines)
