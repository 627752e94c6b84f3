"""Films of the worst failures: an episode that is run again is the same episode."""

import re
from collections.abc import Sequence
from pathlib import Path

from robot_policies.evaluation.episode import Cell, Outcome, run_watched
from robot_policies.interface import RobotPoliciesError

FOLDER = "films"


def worst(outcomes: Sequence[Outcome], count: int) -> list[Outcome]:
    """Return failures, least progress and then shortest first, in turn from every cell.

    An episode that crashed is none of them: it has no end to be seen. Nor is one through nodes,
    which is not the same when it is run again.

    Args:
        outcomes: Of all episodes.
        count: How many at most.
    """
    by_cell: dict[Cell, list[Outcome]] = {}
    for outcome in outcomes:
        if not (outcome.success or outcome.error or outcome.job.condition.nodes):
            by_cell.setdefault(outcome.job.cell, []).append(outcome)
    ranked = [
        (place, outcome)
        for failures in by_cell.values()
        for place, outcome in enumerate(sorted(failures, key=_badness))
    ]
    ranked.sort(key=lambda entry: entry[0])
    return [outcome for _, outcome in ranked[:count]]


def film(outcome: Outcome, folder: Path) -> Path:
    """Run an episode again and film it.

    Args:
        outcome: What became of it.
        folder: Where the file is written; its name says cell and seed.

    Raises:
        RobotPoliciesError: If it cannot be filmed, or ends otherwise than before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job = outcome.job
    words = "-".join([*filter(None, job.cell), str(job.seed)])
    path = folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', words)}.mp4"
    again = run_watched(job, path)
    if (again.success, again.metrics) != (outcome.success, outcome.metrics):
        raise RobotPoliciesError(
            f"{job.cell}, seed {job.seed}: ended otherwise when it was run again for its film"
        )
    return path


def _badness(outcome: Outcome) -> tuple[float, float]:
    return outcome.metrics.get("progress", 0.0), outcome.duration
