"""The control loop beside a machine that is too busy, with and without a priority of its own.

    python benchmarks/busy_machine.py [--busy 8] [--runs 3] [--realtime 0] [--realtime 10]

The walking policy runs through the nodes with MuJoCo, in turn with each priority, beside processes
that only compute. The priority is that of the robot's control thread alone.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from launched import launched
from rich.console import Console
from rich.progress import track
from rich.table import Table

DOMAIN = 96
NAMES = {"policy": "uni_o4/go1_walk", "task": "go1_walk", "backend": "mujoco"}
FIGURES = ("steps_missed", "loop_period_max_ms", "loop_rate_mean_hz")


@contextmanager
def busy(number: int) -> Iterator[None]:
    """Keep so many processes computing."""
    with ExitStack() as stack:
        for _ in range(number):
            process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def walk(realtime: str, seconds: float) -> dict[str, Any]:
    """Walk once; return the loop's figures, p99 of the latency [ms], refusals and the ending.

    Args:
        realtime: As the launch argument.
        seconds: Length of the trial.

    Raises:
        RuntimeError: If the graph does not say how it went.
    """
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "summary.json"
        names = {**NAMES, "realtime": realtime, "seconds": f"{seconds:g}"}
        with launched({**names, "summary": str(summary)}, DOMAIN) as graph:
            graph.process.wait()
        if not summary.is_file():
            raise RuntimeError(f"realtime:={realtime}: the graph did not say how it went")
        result = json.loads(summary.read_text(encoding="utf-8"))
    figures = {key: result["figures"][key] for key in FIGURES}
    figures |= {"latency_p99_ms": 1e3 * result["latency"].get("p99", np.nan)}
    return figures | {"levels": result["levels"], "ended_by": result["ended_by"]}


def main(
    realtime: Annotated[list[str], typer.Option("--realtime")] = ["0", "10"],  # noqa: B006
    number: Annotated[int, typer.Option("--busy", min=0)] = 4 * (os.cpu_count() or 1),
    runs: Annotated[int, typer.Option("--runs", min=1)] = 3,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0)] = 20.0,
) -> None:
    """Measure in turn, and print a table."""
    seen: dict[str, list[dict[str, Any]]] = {value: [] for value in realtime}
    with busy(number):
        for _ in track(range(runs), description=f"beside {number} busy processes"):
            for value in realtime:
                seen[value].append(walk(value, seconds))
    table = Table(title=f"{os.cpu_count()} cores, {number} busy processes, {seconds:g} s a run")
    columns = (*FIGURES, "latency_p99_ms", "levels", "ended_by")
    for column in ("realtime", *columns):
        table.add_column(column)
    for value, rows in seen.items():
        cells = [", ".join(_text(row[column]) for row in rows) for column in columns]
        table.add_row(value, *cells)
    Console(width=160).print(table)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    typer.run(main)
