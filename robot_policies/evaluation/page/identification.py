"""The page of an identification: what was found, and how a replay leaves the recording."""

from collections.abc import Mapping
from html import escape
from typing import Any

from robot_policies.evaluation.page import plots
from robot_policies.evaluation.page.cell_sections import lines
from robot_policies.evaluation.page.labels import estimate, number, table
from robot_policies.evaluation.page.shell import shell


def identification_page(document: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        document: The fields of `Identified`, `robot`, `horizon` in control periods, `provenance`.
    """
    rows = [
        (
            name,
            found["unit"],
            number(found["table"]),
            estimate({"mean": found["value"], "ci95": found["ci95"]}),
            estimate({"mean": found["value"], "ci95": found["range"]}),
        )
        for name, found in document["parameters"].items()
    ]
    fitted, kept = document["windows"]
    said = (
        f"Error of joint positions over {document['horizon']} control periods, held out: "
        f"{document['before']:.4f} with the table, {document['after']:.4f} with what was found "
        f"({document['fall']:.0%} less). {fitted} windows were fitted, {kept} held out."
    )
    axes = ("control periods since the replay began", "error [rad], [m]")
    sections = [
        f"<p>{escape(said)}</p>",
        table(("parameter", "unit", "table", "found, 95 %", "range for training"), rows),
        "<p class=quiet>A factor is one of the robot's table. The interval holds if the model is "
        "right but for noise; the range holds what blocks of episodes found alone, too.</p>",
        "<h2>Recorded commands replayed against recorded joints</h2>",
        "<p class=quiet>Dotted: the table. Solid: what was found. Held-out windows.</p>",
        plots.lines(document["divergence"], axes),
        "<h2>Provenance</h2>",
        f"<pre>{escape(lines(document['provenance']))}</pre>",
    ]
    title = f"Identification of {document['robot']}"
    return shell(title, "\n".join(sections), plots.library())
