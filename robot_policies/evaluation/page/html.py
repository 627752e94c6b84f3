"""The page: one self-contained file, no network, no file beside it."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from robot_policies.evaluation.metrics import titled
from robot_policies.evaluation.page import cell_sections, comparison_sections, plots
from robot_policies.evaluation.page.labels import label

Document = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]

STYLE = """
:root { color-scheme: light; --line: #8884; --bad: #c33; }
body { font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; white-space: nowrap; }
th, td { border-bottom: 1px solid var(--line); }
.wide { overflow-x: auto; } .bad { color: var(--bad); } .quiet { opacity: .65; }
figure { margin: 1rem 0; } video { width: 100%; max-width: 30rem; }
pre { white-space: pre-wrap; }
"""


def page(document: Document, episodes: Rows, films: Mapping[str, Path] | None = None) -> str:
    """Return the page.

    Args:
        document: The evaluation document of `report.document`.
        episodes: The rows of `report.episodes`.
        films: MP4 files by what they show; they become part of the page.
    """
    cells = [cell for cell in document["cells"] if "refused" not in cell]
    metrics = list(dict.fromkeys(name for cell in cells for name in cell["metrics"]))
    sections = [
        "<h1>Evaluation</h1>",
        f"<p class=quiet>{escape(document['provenance']['created'])} · about "
        f"{escape(document['about'])} · intervals are 95 %: Wilson for rates, Student's t for "
        "means · a crashed episode counts as no success · ↑ more is better, ↓ less is better</p>",
        cell_sections.summary(cells, metrics, document),
        cell_sections.refused(document["cells"]),
        f"<h2>{escape(titled('success', document['metrics']))}</h2>",
        plots.forest([(label(cell), cell["success"]) for cell in cells], span=plots.RATE),
        comparison_sections.conditions(cells),
        *map(comparison_sections.attribution, document["attributions"]),
        *(cell_sections.metric(name, cells, episodes, document) for name in metrics),
        comparison_sections.comparisons(document["comparisons"]),
        *(comparison_sections.agreement(entry, cells) for entry in document["agreements"]),
        *map(comparison_sections.recipes, document["recipes"]),
        cell_sections.causes(cells),
        cell_sections.errors(cells),
        cell_sections.films(films or {}),
        cell_sections.episodes(episodes, metrics),
        "<h2>Provenance</h2>",
        f"<pre>{escape(cell_sections.lines(document['provenance']))}</pre>",
    ]
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation</title><style>{STYLE}</style>{plots.library()}</head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )
