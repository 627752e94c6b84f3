"""How often the demo succeeds from cold caches, and beside busy processes.

    python benchmarks/demo_runs.py --runs 10 --cold
    python benchmarks/demo_runs.py --runs 10 --busy 2

Cold means without bytecode, in an empty cache of its own for each run, and, as root, without the
system's page cache.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from robot_policies.evaluation.statistics import rate

DROP = Path("/proc/sys/vm/drop_caches")
LIMIT = 300.0  # s; a run that takes longer has failed


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep some processes computing."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def demo(seconds: float, cold: bool) -> dict[str, Any]:
    """Run the demo once and return how it went."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ)
        if cold:
            environment["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
            os.sync()
            with suppress(OSError):  # only root may
                DROP.write_text("3")
        command = [sys.executable, "-m", "robot_policies.cli.app", "demo"]
        command += ["--seconds", f"{seconds:g}", "--out", f"{folder}/demo"]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, env=environment, capture_output=True, timeout=LIMIT, check=False
            )
        summary = Path(folder) / "demo" / "summary.json"
        if not summary.is_file():
            return {"good": False}
        said = json.loads(summary.read_text(encoding="utf-8"))
    figures = said["figures"]
    return {
        "good": said["ended_by"] == "success",
        "fall": said["metrics"]["fall"],
        "first_period_ms": figures["loop_period_first_ms"],
        "longest_period_ms": figures["loop_period_max_ms"],
        "missed": figures["steps_missed"],
    }


def main(
    runs: Annotated[int, typer.Option("--runs", min=1)] = 10,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0)] = 10.0,
    cold: Annotated[bool, typer.Option("--cold", help="Without bytecode and page cache.")] = False,
    others: Annotated[int, typer.Option("--busy", min=0, help="Busy processes beside it.")] = 0,
) -> None:
    """Run the demo again and again, and print how often it succeeded."""
    with busy(others):
        rows = [demo(seconds, cold) for _ in range(runs)]
    good = sum(row["good"] for row in rows)
    table = Table(title=f"demo: {good} of {runs}, {rate(good, runs).to_json()['ci95']}")
    for column in ("good", "fall", "first_period_ms", "longest_period_ms", "missed"):
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(row.get(name, "-")) for name in (c.header for c in table.columns)))
    Console(width=110).print(table)
    raise typer.Exit(good < runs)


if __name__ == "__main__":
    typer.run(main)
