"""The page of an evaluation."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from robot_policies.evaluation.metrics import titled
from robot_policies.evaluation.page import cell_sections, comparison_sections, plots
from robot_policies.evaluation.page.labels import label
from robot_policies.evaluation.page.shell import shell

Document = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]


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
    return shell("Evaluation", "\n".join(sections), plots.library())
