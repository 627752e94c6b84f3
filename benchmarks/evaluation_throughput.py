"""Episodes per minute of an evaluation with one and two workers, and what two commands give.

    python benchmarks/evaluation_throughput.py --episodes 96 --repeats 2
    python benchmarks/evaluation_throughput.py --episodes 16

Each run is the command itself, start and report included, while nothing else runs.
"""

import subprocess
import sys
import tempfile
import time
from subprocess import PIPE
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

# Commands at once and workers of each. Two commands that share nothing say what the machine gives.
WAYS = {"one worker": (1, 1), "two workers": (1, 2), "two commands, one worker each": (2, 1)}


def run(policy: str, task: str, episodes: int, commands: int, workers: int) -> float:
    """Return how long so many episodes take, shared by commands that run at once. [s]."""
    words = ["--policy", policy, "--task", task, "--backend", "mujoco", "--seed", "0"]
    words += ["--episodes", str(episodes // commands), "--workers", str(workers)]
    command = [sys.executable, "-m", "robot_policies.cli.app", "evaluate", *words]
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        started = [
            subprocess.Popen([*command, "--out", f"{folder}/{i}"], stdout=PIPE, stderr=PIPE)
            for i in range(commands)
        ]
        for process in started:
            process.communicate()
            if process.returncode:
                raise RuntimeError(f"{' '.join(command)}: exit status {process.returncode}")
        return time.monotonic() - begin


def main(
    policy: Annotated[str, typer.Option("--policy")] = "uni_o4/go1_walk",
    task: Annotated[str, typer.Option("--task")] = "go1_walk",
    episodes: Annotated[int, typer.Option("--episodes", min=2)] = 96,
    repeats: Annotated[int, typer.Option("--repeats", min=1)] = 2,
) -> None:
    """Measure and print."""
    table = Table("", "s", "episodes per minute", "times one worker")
    for _ in range(repeats):
        took = {name: run(policy, task, episodes, *how) for name, how in WAYS.items()}
        for name, seconds in took.items():
            rate, ratio = 60.0 * episodes / seconds, took["one worker"] / seconds
            table.add_row(name, f"{seconds:.1f}", f"{rate:.1f}", f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
