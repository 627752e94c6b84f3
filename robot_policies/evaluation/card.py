"""The evaluation as Markdown, for the card of a model in a hub repository."""

from collections.abc import Mapping, Sequence
from typing import Any

from robot_policies.evaluation.metrics import titled
from robot_policies.evaluation.page.labels import NONE, estimate


def card(document: Mapping[str, Any]) -> str:
    """Return the Markdown.

    Args:
        document: The evaluation document of `report.document`.
    """
    cells = [cell for cell in document["cells"] if "refused" not in cell]
    metrics = list(dict.fromkeys(name for cell in cells for name in cell["metrics"]))
    named = [titled(name, document["metrics"]) for name in ("success", *metrics)]
    keys = ("policy", "task", "backend", "condition")
    rows = [
        [
            *(cell[key] or NONE for key in keys),
            str(cell["episodes"]),
            estimate(cell["success"]),
            *(estimate(cell["metrics"].get(name)) for name in metrics),
        ]
        for cell in cells
    ]
    origin = document["provenance"]
    lines = [
        "## Evaluation",
        "",
        *_table([*keys, "episodes", *named], rows),
        "",
        f"Intervals are 95 %. The figures are about {document['about']}.",
    ]
    successes = [entry for entry in document["comparisons"] if entry["metric"] == "success"]
    if successes:
        compared = [
            [
                f"{entry['a']} − {entry['b']}",
                entry["task"],
                estimate({"mean": entry["difference"], "ci95": entry["ci95"]}),
                f"{entry['p_holm']:.2g}",
            ]
            for entry in successes
        ]
        lines += ["", *_table(["success of", "on", "difference", "p (Holm)"], compared)]
    lines += ["", f"`{origin['command']}`, {origin['created']}", ""]
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; a bar in a name would be a column."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in escaped]
    return [lines[0], f"|{'---|' * len(head)}", *lines[1:]]
