"""The same trial under this package's launcher and under ROS's own, and how long a launch takes.

    python benchmarks/two_launchers.py [--pairs 6] [--seconds 5] [--out FILE.json]

A walk is launched in turn by `robot_policies.launching` and by `ros2 launch`, if that is on PATH,
which must see an installed copy of this package. Before each pair the imports and loads of both
nodes are timed alone, in bare processes: what no launch can do without.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats

DOMAIN = 94
NAMES = {"policy": "uni_o4/go1_walk", "task": "go1_walk", "backend": "mujoco"}
LAUNCHERS = {
    "ours": [sys.executable, "-P", "-m", "robot_policies.launching", "policy.launch.xml"],
    "ros2": ["ros2", "launch", "robot_policies", "policy.launch.xml"],
}
LINE = re.compile(r"\[(?:INFO|WARN)\] \[([0-9.]+)\] \[\S+\]: (.*)")
# What a node says when a part of the start is over, in the order in which that happens.
PARTS = {
    "robot's node imported": "making the robot ready",
    "policy loaded": "answers in ",
    "both configured": "ready",
    "first command": "safety: pass: following the policy",
}
SETTINGS = f"""
settings = {{name: setting.default for name, setting in NAMED.items()}} | {NAMES!r}
stage = by_name(settings)
"""
BARE = {
    "robot's node": f"""
import robot_policies.nodes.backend_node
from robot_policies.nodes.trial_settings import NAMED, by_name
{SETTINGS}
stage.backend.connect()
stage.backend.reset(0, stage.task.initial(0))
stage.backend.read()
""",
    "policy's node": f"""
import robot_policies.nodes.policy_node
from robot_policies.nodes.trial_settings import NAMED, by_name
from robot_policies.session import join
from robot_policies.control.warm_up import answer_time
import time
{SETTINGS}
session = join(settings["policy"], stage)
session.report().require()
answer_time(session.policy, 0, time.perf_counter)
""",
}


def launch(launcher: str, seconds: float) -> tuple[dict[str, Any], dict[str, float]]:
    """Walk once; return the trial's summary and when each part of the start was over. [s].

    Args:
        launcher: Of `LAUNCHERS`.
        seconds: Length of the trial.

    Raises:
        RuntimeError: If the graph does not say how it went.
    """
    environment = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)}
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "summary.json"
        given = {**NAMES, "seconds": f"{seconds:g}", "summary": str(summary)}
        words = [f"{name}:={value}" for name, value in given.items()]
        begin = time.time()
        done = subprocess.run(
            [*LAUNCHERS[launcher], *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if not summary.is_file():
            raise RuntimeError(f"{launcher}: no summary; it said: {done.stdout[-500:]}")
        result = json.loads(summary.read_text(encoding="utf-8"))
    said = [(float(stamp) - begin, text) for stamp, text in LINE.findall(done.stdout)]
    return result, {part: _first(said, words) for part, words in PARTS.items()}


def _first(said: Sequence[tuple[float, str]], beginning: str) -> float:
    return next((when for when, text in said if text.startswith(beginning)), math.nan)


def bare(program: str) -> float:
    """Return how long a bare process takes for a program. [s]."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-P", "-c", program], check=True, capture_output=True)
    return time.monotonic() - begin


def interval(ratios: Sequence[float]) -> str:
    """Return the geometric mean of paired ratios and its 95 % interval (Student's t)."""
    logs = np.log(ratios)
    mean, n = logs.mean(), len(logs)
    if n < 2:
        return f"{math.exp(mean):.3f}"
    half = stats.t.ppf(0.975, n - 1) * logs.std(ddof=1) / math.sqrt(n)
    low, high = (math.exp(mean + sign * half) for sign in (-1, 1))
    return f"{math.exp(mean):.3f} [{low:.3f}, {high:.3f}]"


def _row(launcher: str, seconds: float) -> dict[str, Any]:
    summary, parts = launch(launcher, seconds)
    figures = {key: summary["metrics"].get(key) for key in ("distance", "success")}
    return {**figures, "steps": summary["steps"], "p50": summary["latency"]["p50"], "parts": parts}


def _tables(rows: Mapping[str, list[dict[str, Any]]], alone: Mapping[str, list[float]]) -> None:
    console = Console()
    trials = Table("launcher", "steps", "distance [m]", "p50 [ms]", title="the trials")
    for name, runs in rows.items():
        steps = ", ".join(str(run["steps"]) for run in runs)
        metres = ", ".join(f"{run['distance']:.3f}" for run in runs)
        trials.add_row(name, steps, metres, ", ".join(f"{1e3 * r['p50']:.2f}" for r in runs))
    console.print(trials)
    starts = Table("part of the start", *rows, title="median time since the launch [s]")
    for part in PARTS:
        medians = [f"{np.median([run['parts'][part] for run in rows[n]]):.2f}" for n in rows]
        starts.add_row(part, *medians)
    for name, times in alone.items():
        starts.add_row(f"bare: {name}", *[f"{np.median(times):.2f}"] * len(rows))
    console.print(starts)
    slower = np.max(list(alone.values()), axis=0)
    for name, runs in rows.items():
        first = [run["parts"]["first command"] for run in runs]
        ratios = np.divide(first, slower).tolist()
        console.print(f"{name}: first command / slower bare load: {interval(ratios)}")
    if len(rows) == 2:
        ours, theirs = ([run["p50"] for run in runs] for runs in rows.values())
        console.print(f"latency, ros2 / ours: {interval(np.divide(theirs, ours).tolist())}")


def main(
    pairs: Annotated[int, typer.Option(help="Trials of each launcher.")] = 6,
    seconds: Annotated[float, typer.Option(help="Length of a trial.")] = 5.0,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """Measure, and print tables."""
    there = [name for name, words in LAUNCHERS.items() if shutil.which(words[0])]
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in there}
    alone: dict[str, list[float]] = {name: [] for name in BARE}
    for pair in track(range(pairs), "launching"):
        for name, program in BARE.items():
            alone[name].append(bare(program))
        for name in there if pair % 2 == 0 else reversed(there):
            rows[name].append(_row(name, seconds))
    _tables(rows, alone)
    if out:
        text = json.dumps({"trials": rows, "bare_s": alone}, indent=2)
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
