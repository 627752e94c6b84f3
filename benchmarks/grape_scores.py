"""Figures of GRAPE's policies: every cell once, and tables with paired intervals."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from grape_demonstrations import TASK_NAME
from grape_training import OBJECTIVES, RIVALS, SFT
from rich.table import Table

from robot_policies.catalog import load_task
from robot_policies.evaluation.attempts import simulators
from robot_policies.evaluation.statistics import compare_means, mean, rate
from robot_policies.evaluation.together import run_together
from robot_policies.policies.grape.crowd import GrapeCrowd

SWAP = {"blue": "pink", "pink": "blue"}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "sampled": {"temperature": 1.0},
    "greedy": {"temperature": 0.0},
    "swapped": {"temperature": 1.0, "swap": SWAP},
    "blind": {"temperature": 1.0, "blind": True},
}
AXES = ("/subject", "/physical", "/semantic", "/visual")
SHARES = ("success", "collision", "wrong_pad")
FIRST = "iteration_1"

Cell = tuple[str, str, str, str]  # checkpoint, task, backend, setting


def cells(extra: bool) -> Iterator[Cell]:
    """Yield what is scored of one training seed, the most telling first.

    Args:
        extra: Whether rivals, held-out axes, likeliest tokens and the second engine count, too.
    """
    aligned = list(map(last, OBJECTIVES))
    for name in (SFT, *aligned):
        yield name, TASK_NAME, "mujoco", "sampled"
    for setting in ("blind", "swapped"):
        yield SFT, TASK_NAME, "mujoco", setting
    if not extra:
        return
    for name in (f"safety/{FIRST}", *(f"{rival}/{FIRST}" for rival in RIVALS)):
        yield name, TASK_NAME, "mujoco", "sampled"
    for name in (SFT, aligned[0]):
        yield name, TASK_NAME, "mujoco", "greedy"
        for axis in AXES:
            yield name, TASK_NAME + axis, "mujoco", "sampled"
        yield name, TASK_NAME, "pybullet", "sampled"


def last(objective: str) -> str:
    """Return the checkpoint that an objective's alignment ended with."""
    return f"{objective}/iteration_{OBJECTIVES[objective].iterations}"


def score(folder: Path, extra: bool, episodes: int) -> None:
    """Run every cell whose checkpoint is there and that has no figures yet.

    Args:
        folder: Of one training seed.
        extra: As for `cells`.
        episodes: Initial states, from the first one on.
    """
    for cell in cells(extra):
        name, task_name, backend, setting = cell
        path = _file(folder, cell)
        if path.exists() or not (folder / name).exists():
            continue
        task, crowd = load_task(task_name), GrapeCrowd(folder / name, **SETTINGS[setting])
        results = run_together(crowd, task, simulators(task, backend, crowd), range(episodes))
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps([dict(result.metrics) for result in results]))
        part.rename(path)
        print(folder.name, *cell, flush=True)


def table(folders: list[Path]) -> Iterator[Table]:
    """Yield the tables: all seeds together, then differences."""
    pooled = Table(title=f"{len(folders)} training seeds; intervals over their episodes")
    for column in ("checkpoint", "setting", "seeds", *SHARES, "steps of successes", "clearance"):
        pooled.add_column(column)
    for cell in cells(extra=True):
        found = [rows for folder in folders if (rows := rows_of(folder, cell))]
        if not found:
            continue
        every = [row for rows in found for row in rows]
        each = [f"{np.mean([row['success'] for row in rows]):.3f}" for rows in found]
        shown = [_share(every, name) for name in SHARES]
        pooled.add_row(_name(cell), cell[3], " ".join(each), *shown, *_means(every))
    yield pooled
    for base in (SFT, *(f"{name}/{FIRST}" for name in ("stage", "clone"))):
        yield _against(folders, base)


def _against(folders: list[Path], base: str) -> Table:
    """Return differences to a checkpoint in the same circumstances, paired over the episodes."""
    shown = Table(title=f"against {base}, paired over the episodes of all seeds")
    for column in ("checkpoint", *SHARES, "steps", "clearance cm"):
        shown.add_column(column)
    for cell in cells(extra=True):
        other = (base, *cell[1:])
        pairs = [
            pair
            for folder in folders
            for pair in zip(rows_of(folder, cell), rows_of(folder, other), strict=False)
        ]
        if cell != other and pairs:
            shown.add_row(_name(cell), *_differences(*map(list, zip(*pairs, strict=True))))
    return shown


def _name(cell: Cell) -> str:
    name, task, backend, setting = cell
    where = "" if (task, backend) == (TASK_NAME, "mujoco") else f" {task} {backend}"
    return f"{name}{where}" + ("" if setting == "sampled" else f" {setting}")


def _file(folder: Path, cell: Cell) -> Path:
    return folder / "scores" / f"{'-'.join(cell).replace('/', '.')}.json"


def rows_of(folder: Path, cell: Cell) -> list[dict[str, float]]:
    """Return the metrics of a cell's episodes; none if it has no figures yet."""
    path = _file(folder, cell)
    return json.loads(path.read_text()) if path.exists() else []


def _share(rows: list[dict[str, float]], name: str) -> str:
    found = rate(round(sum(row.get(name, 0.0) for row in rows)), len(rows))
    return f"{found.mean:.1%} [{found.low:.1%}, {found.high:.1%}]"


def _means(rows: list[dict[str, float]]) -> list[str]:
    done = mean([row["steps"] for row in rows if row["success"]])
    clear = mean([100.0 * row["clearance"] for row in rows])
    return [
        ""
        if one.mean is None or one.low is None
        else f"{one.mean:.1f} [{one.low:.1f}, {one.high:.1f}]"
        for one in (done, clear)
    ]


def _differences(rows: list[dict[str, float]], base: list[dict[str, float]]) -> list[str]:
    cells = []
    for name in (*SHARES, "steps", "clearance"):
        pairs = [(a.get(name, 0.0), b.get(name, 0.0)) for a, b in zip(rows, base, strict=True)]
        if name == "steps":  # of the states in which both succeed
            both = zip(rows, base, strict=True)
            pairs = [(a[name], b[name]) for a, b in both if a["success"] and b["success"]]
        found = compare_means(*map(list, zip(*pairs, strict=True)))
        scale = 1.0 if name == "steps" else 100.0
        ends = [scale * end for end in (found.low, found.high) if end is not None]
        low_high = f" [{ends[0]:+.1f}, {ends[1]:+.1f}]" if len(ends) == 2 else ""
        cells.append(f"{scale * found.difference:+.1f}{low_high} p {found.p:.2g}")
    return cells
