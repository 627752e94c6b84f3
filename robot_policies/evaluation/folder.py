"""The files of an evaluation, beside its outcomes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robot_policies.documents import dumps
from robot_policies.evaluation import report
from robot_policies.evaluation.card import card
from robot_policies.evaluation.episode import Outcome
from robot_policies.evaluation.films import FOLDER, film, worst
from robot_policies.evaluation.page.html import page

PAGE = "report.html"


def write(
    folder: Path, document: dict[str, Any], outcomes: Sequence[Outcome], films: int = 0
) -> None:
    """Write the document, the page, the card, and all episodes with their initial conditions.

    Args:
        folder: Where.
        document: The evaluation document of `report.document`.
        outcomes: Of all episodes.
        films: How many of the worst failures are filmed.

    Raises:
        RobotPoliciesError: If a failure cannot be filmed.
    """
    rows = report.episodes(outcomes)
    initial: dict[str, dict[str, Any]] = {}
    for row in rows:
        # Of the first condition, since others may change what the task drew.
        initial.setdefault(row["task"], {}).setdefault(str(row["seed"]), row.pop("initial"))
    folder.mkdir(parents=True, exist_ok=True)
    filmed = {
        f"{outcome.job.cell}, seed {outcome.job.seed}: {outcome.ended}": film(
            outcome, folder / FOLDER
        )
        for outcome in worst(outcomes, films)
    }
    for name, text in (
        ("evaluation.json", dumps(document)),
        ("episodes.json", dumps(rows)),
        ("initial_conditions.json", dumps(initial)),
        ("card.md", card(document)),
        (PAGE, page(document, rows, filmed)),
    ):
        (folder / name).write_text(text, encoding="utf-8")
