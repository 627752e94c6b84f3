"""The figures of dressing: a file of episodes for each policy and task, and what they say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from robot_policies.evaluation.statistics import compare_means, mean, rate
from robot_policies_sim.worlds.dressing.person import REGIONS

LIMITS = ((5.0, 10.0), (6.0, 12.0), (7.0, 14.0), (8.0, 16.0), (10.0, 20.0), (12.0, 20.0))  # N


def show_table(out: Path) -> None:
    """Print what there is, and each cell against the first one of its task on shared episodes."""
    console, shown = Console(width=170), Table(title="dress_arm")
    for column in ("cell", "episodes", "whole arm", "upper arm", "success", "peak load, N"):
        shown.add_column(column)
    for column in ("force stops", "worst region", "overshoot p99, N", "stop after, ms"):
        shown.add_column(column)
    cells = {path.stem: read(path) for path in sorted(out.glob("*.jsonl"))}
    for name, rows in cells.items():
        shown.add_row(name, *summary(rows))
    console.print(shown)
    for name, rows in cells.items():
        for garment in sorted({row["garment"] for row in rows}):
            some = [row["whole_arm_ratio"] for row in rows if row["garment"] == garment]
            print(f"{name}, {garment}: {words(some)}, {len(some)} episodes")
    for other, one in pairs(cells):
        mine, theirs = ({row["seed"]: row for row in cells[name]} for name in (one, other))
        shared = sorted(mine.keys() & theirs.keys())
        if not shared:
            continue
        a, b = ([rows[s]["whole_arm_ratio"] for s in shared] for rows in (mine, theirs))
        found = compare_means(a, b)
        print(
            f"{one} against {other}, {len(shared)} episodes: whole arm {found.difference:+.3f} "
            f"[{found.low:+.3f}, {found.high:+.3f}], p = {found.p:.2g}"
        )


def show_limits(out: Path) -> None:
    """Print how many attempts of each cell lower limits of the load would have left.

    An attempt runs the same up to the moment a limit stops it. So whether it succeeds within
    other limits, up to those it had, is known from its greatest loads.
    """
    for path in sorted(out.glob("*.jsonl")):
        rows = read(path)
        for mean_limit, peak in LIMITS:
            inside = [
                row["load_mean_peak"] <= mean_limit and row["load_peak"] <= peak for row in rows
            ]
            whole = [row["success"] > 0 and ok for row, ok in zip(rows, inside, strict=True)]
            found = rate(sum(whole), len(rows))
            print(
                f"{path.stem}: {mean_limit:g} N on average, {peak:g} N once: {sum(whole)} of "
                f"{len(rows)} succeed [{found.low:.0%}, {found.high:.0%}], "
                f"{len(rows) - sum(inside)} stopped"
            )


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """Return the figures of a cell in words."""
    success = rate(sum(row["success"] > 0 for row in rows), len(rows))
    regions = {r: [row for row in rows if row["region"] == r] for r in range(len(REGIONS))}
    worst = min(
        (np.mean([row["whole_arm_ratio"] for row in some]), r)
        for r, some in regions.items()
        if some
    )
    stopped = [row for row in rows if row["stopped"] is not None]
    waits = [1e3 * (row["stopped"] - row["first_over"]) for row in stopped]
    over = [row["overshoot"] for row in stopped]
    return [
        str(len(rows)),
        words([row["whole_arm_ratio"] for row in rows]),
        words([row["upper_arm_ratio"] for row in rows]),
        f"{success.mean:.1%} [{success.low:.0%}, {success.high:.0%}]",
        words([row["load_peak"] for row in rows], 1),
        str(len(stopped)),
        f"{worst[0]:.2f} (region {worst[1]})",
        f"{np.percentile(over, 99):.1f}" if over else "-",
        f"{np.max(waits):.0f}" if waits else "-",
    ]


def words(values: list[float], digits: int = 3) -> str:
    """Return a mean and its interval."""
    found = mean(values)
    if found.low is None or found.high is None:
        return f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def cell(out: Path, who: str, task: str, backend: str, gate: bool) -> Path:
    """Return the file of a cell."""
    out.mkdir(parents=True, exist_ok=True)
    name = f"{who}.{task}.{backend}{'' if gate else '.ungated'}"
    return out / f"{name.strip('/').replace('/', '_')}.jsonl"


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a cell; none if there are none yet."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def pairs(cells: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each pair of cells of one task once."""
    names = list(cells)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if one.split(".")[1:] == other.split(".")[1:]:
                yield one, other
