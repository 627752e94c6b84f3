"""Late plans: jumps where one follows another, jerk and success, here and with LeRobot's queue.

    python benchmarks/late_plans.py --episodes 20 --out DIR

Latency from 0 to 400 ms, with jitter, with loss; one checkpoint, the same initial states.
LeRobot's queue appends, or replaces as in its real-time chunking, of whose guidance no ACT knows.
DIR gets `late_plans.json` and `late_plans.png`; a run that was interrupted goes on.
"""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from merged_chunks import mergers, trial
from rich.console import Console
from rich.progress import track
from rich.table import Table

from robot_policies import catalog
from robot_policies.evaluation.statistics import compare_means, mean, rate
from robot_policies.evaluation.statistics.estimates import Estimate
from robot_policies.policies.catalog import load_policy
from robot_policies.stage import open_stage

# Latency [s], jitter to both sides [s], share of questions lost
NETWORKS = {
    "0 ms": (0.0, 0.0, 0.0),
    "100 ms": (0.1, 0.0, 0.0),
    "200 ms": (0.2, 0.0, 0.0),
    "300 ms": (0.3, 0.0, 0.0),
    "400 ms": (0.4, 0.0, 0.0),
    "100 to 300 ms": (0.2, 0.1, 0.0),
    "200 ms, 3 of 10 lost": (0.2, 0.0, 0.3),
}
FIGURES = {"jump": (1e3, "mrad"), "jerk": (1.0, "rad/s^3"), "fastest": (1.0, "rad/s")}
OURS = "splice"
SHADES = ("#2a6fdb", "#4fa3e0", "#123a7a", "#b03a2e", "#e08283", "#8a6d00", "#d4ac0d")
NAME = "late_plans"

Rows = dict[str, dict[str, list[dict[str, float]]]]  # by network, by who merges; one a seed


def measure(policy_name: str, task_name: str, episodes: int, seed: int, path: Path) -> Rows:
    """Run what is missing in a file, and write each network's trials as they are done.

    Args:
        policy_name: Policy whose actions are joint positions.
        task_name: Its task.
        episodes: Trials of each.
        seed: Of the first.
        path: JSON file.
    """
    logging.getLogger("lerobot.policies.rtc.action_queue").setLevel(logging.ERROR)
    rows: Rows = json.loads(path.read_text()) if path.exists() else {}
    stage = open_stage("mujoco", task_name)
    task, robot = catalog.load_task(task_name), stage.robot
    policy = load_policy(policy_name, robot=robot)
    simulator: Any = stage.simulator
    simulator.connect()
    for network, what in NETWORKS.items():
        found = rows.setdefault(network, {})
        for name in track(mergers(policy, robot), description=network):
            trials = found.setdefault(name, [])
            for one in range(seed + len(trials), seed + episodes):
                merger = mergers(policy, robot)[name]
                trials.append(asdict(trial(simulator, policy, task, merger, one, *what)))
            path.write_text(json.dumps(rows, indent=1))
    return rows


def _text(found: Estimate, factor: float = 1.0) -> str:
    if found.low is None or found.high is None:
        return f"{factor * (found.mean or 0.0):.3g}"
    low, middle, high = (factor * end for end in (found.low, found.mean or 0.0, found.high))
    return f"{middle:.3g} [{low:.3g}, {high:.3g}]"


def _tables(rows: Rows, console: Console) -> None:
    for network, found in rows.items():
        columns = (f"{name}, {unit}" for name, (_, unit) in FIGURES.items())
        table = Table("merged by", "success", *columns, "idle, %", title=network)
        for name, trials in found.items():
            won = sum(row["success"] > 0.0 for row in trials)
            cells = [f"{won} of {len(trials)} {_text(rate(won, len(trials)))}"]
            for figure, (factor, _) in FIGURES.items():
                cells.append(_text(mean([row[figure] for row in trials]), factor))
            cells.append(f"{100.0 * np.mean([row['idle'] for row in trials]):.0f}")
            table.add_row(name, *cells)
        console.print(table)
        for name, trials in found.items():
            if name.startswith("LeRobot"):
                console.print(f"{name}, less {OURS}: {_less(found[OURS], trials)}")


def _less(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> str:
    """Return the paired differences of jump and jerk."""
    texts = []
    for figure in ("jump", "jerk"):
        factor, unit = FIGURES[figure]
        found = compare_means(*([row[figure] for row in rows] for rows in (theirs, ours)))
        text = _text(Estimate(found.difference, found.low, found.high), factor)
        texts.append(f"{figure} {text} {unit}, p {found.p:.2g}")
    return "; ".join(texts)


def _draw(rows: Rows, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    places = np.arange(len(rows))
    figure, axes = pyplot.subplots(3, 1, figsize=(9, 10), sharex=True, layout="constrained")
    names = list(next(iter(rows.values())))
    for k, (name, shade) in enumerate(zip(names, SHADES, strict=True)):
        at = places + 0.09 * (k - 3)
        won = [rate(sum(r["success"] > 0.0 for r in f[name]), len(f[name])) for f in rows.values()]
        _bars(axes[0], at, won, 1.0, name, shade)
        for axis, quantity in zip(axes[1:], ("jump", "jerk"), strict=True):
            found = [mean([row[quantity] for row in f[name]]) for f in rows.values()]
            _bars(axis, at, found, FIGURES[quantity][0], name, shade)
    axes[0].set_ylabel("success")
    axes[1].set_ylabel("jump at a splice, mrad")
    axes[2].set_ylabel("jerk, rad/s$^3$")
    axes[2].set_xticks(places, [name.replace(", ", "\n") for name in rows])
    axes[2].set_xlabel("from an observation to its answer")
    figure.legend(*axes[0].get_legend_handles_labels(), ncols=4, loc="outside upper center")
    for axis in axes:
        axis.grid(axis="y", alpha=0.3)
    figure.savefig(path, dpi=110)


def _bars(
    axis: Any, at: np.ndarray, found: list[Estimate], factor: float, name: str, shade: str
) -> None:
    middle = np.array([factor * (e.mean or 0.0) for e in found])
    ends = [(e.mean, e.mean) if e.low is None else (e.low, e.high) for e in found]
    low, high = factor * np.array(ends, float).T
    axis.errorbar(
        at, middle, [middle - low, high - middle], fmt="o", ms=4, color=shade, label=name
    )


def main(
    out: Annotated[Path, typer.Option("--out")],
    episodes: Annotated[int, typer.Option("--episodes", min=2)] = 20,
    seed: Annotated[int, typer.Option("--seed")] = 100,
    policy: Annotated[str, typer.Option("--policy")] = "act_jepa/tabletop_place",
    task: Annotated[str, typer.Option("--task")] = "tabletop_place",
) -> None:
    """Measure, print tables and draw."""
    out.mkdir(parents=True, exist_ok=True)
    rows = measure(policy, task, episodes, seed, out / f"{NAME}.json")
    _tables(rows, Console(width=150))
    _draw(rows, out / f"{NAME}.png")


if __name__ == "__main__":
    typer.run(main)
