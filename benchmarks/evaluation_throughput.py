"""Episodes per minute of an evaluation with one and with two workers, interleaved.

    python benchmarks/evaluation_throughput.py --episodes 96 --repeats 2
    python benchmarks/evaluation_throughput.py --episodes 16

Each run is the command itself, start and report included, while nothing else runs.
"""

import subprocess
import sys
import tempfile
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

WORKERS = (1, 2)


def run(policy: str, task: str, episodes: int, workers: int) -> float:
    """Return how long an evaluation takes. [s]."""
    words = ["--policy", policy, "--task", task, "--backend", "mujoco", "--seed", "0"]
    words += ["--episodes", str(episodes), "--workers", str(workers)]
    command = [sys.executable, "-m", "robot_policies.cli.app", "evaluate", *words]
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        subprocess.run([*command, "--out", folder], check=True, capture_output=True)
        return time.monotonic() - begin


def main(
    policy: Annotated[str, typer.Option("--policy")] = "uni_o4/go1_walk",
    task: Annotated[str, typer.Option("--task")] = "go1_walk",
    episodes: Annotated[int, typer.Option("--episodes", min=1)] = 96,
    repeats: Annotated[int, typer.Option("--repeats", min=1)] = 2,
) -> None:
    """Measure and print."""
    table = Table("workers", "s", "episodes per minute", "times one worker")
    for _ in range(repeats):
        took = {workers: run(policy, task, episodes, workers) for workers in WORKERS}
        for workers, seconds in took.items():
            rate, ratio = 60.0 * episodes / seconds, took[WORKERS[0]] / seconds
            table.add_row(str(workers), f"{seconds:.1f}", f"{rate:.1f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
