"""From a measurement to the command that answers it: the launch graph beside LeRobot's server.

    pip install -c constraints-bench.txt grpcio
    python benchmarks/serving.py --seconds 60 --repeats 2
    python benchmarks/serving.py --seconds 60 --repeats 2 --network

One ACT with two 640x480 pictures at 30 Hz answers on a robot that obeys at once; its joints jump
by 6 degrees at the moment of a measurement. All are measured in turn, so that what else the
machine does falls on all alike. Without `--network` the policy computes nothing.
"""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from serving_sides import LEROBOT, Served, environment, lerobot, ours, write_policy

OURS = "launch graph"


def main(
    seconds: Annotated[float, typer.Option("--seconds", min=5.0)] = 60.0,
    repeats: Annotated[int, typer.Option("--repeats", min=1)] = 2,
    network: Annotated[bool, typer.Option("--network")] = False,
) -> None:
    """Measure in turn, and print a table."""
    found: dict[str, list[Served]] = {name: [] for name in (OURS, *LEROBOT)}
    loads = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        policy = write_policy(root / "policy")
        (root / "path").mkdir()
        given = environment(root / "path", network)
        for block in track(range(repeats), description="blocks"):
            for name in found:
                log = root / f"{block} {name}".replace(",", "").replace(" ", "_")
                if name == OURS:
                    served = ours(policy, log, seconds, given)
                else:
                    served = lerobot(policy, log, seconds, given, LEROBOT[name])
                found[name].append(served)
                loads.append(psutil.getloadavg()[0])
    table = Table("", "reaction p50, ms", "p99", "arrived p50", "answered", "skipped", "cores")
    for name, blocks in found.items():
        table.add_row(name, *_cells(blocks))
    table.title = f"{os.cpu_count()} cores, load average {min(loads):.1f} to {max(loads):.1f}"
    console = Console(width=120)
    console.print(table)
    for name in LEROBOT:
        console.print(f"{name}, over the {OURS}: {_ratio(found[name], found[OURS])}")


def _cells(blocks: list[Served]) -> list[str]:
    reaction = np.array([each for block in blocks for each in block.reaction])
    arrived = np.array([each for block in blocks for each in block.arrived])
    jumps, skipped = sum(b.jumps for b in blocks), sum(b.skipped for b in blocks)
    cores = np.mean([block.cpu for block in blocks])
    return [
        _quantile(reaction, 50),
        _quantile(reaction, 99),
        _quantile(arrived, 50),
        f"{len(reaction)} of {jumps}",
        f"{skipped} of {sum(b.periods for b in blocks)}",
        f"{cores:.2f}",
    ]


def _quantile(values: np.ndarray, percent: float) -> str:
    """Return a percentile in milliseconds with its bootstrap interval."""
    if not len(values):
        return "none"
    again = np.random.default_rng(0).choice(values, (2000, len(values)))
    low, high = np.percentile(np.percentile(again, percent, axis=1), (2.5, 97.5))
    return f"{1e3 * np.percentile(values, percent):.0f} [{1e3 * low:.0f}, {1e3 * high:.0f}]"


def _ratio(theirs: list[Served], ours: list[Served]) -> str:
    """Return the ratio of the medians with its bootstrap interval."""
    rng, samples = np.random.default_rng(0), []
    for blocks in (theirs, ours):
        values = np.array([each for block in blocks for each in block.reaction])
        if not len(values):
            return "no answer"
        samples.append(np.median(rng.choice(values, (2000, len(values))), axis=1))
    low, middle, high = np.percentile(samples[0] / samples[1], (2.5, 50, 97.5))
    return f"{middle:.1f} [{low:.1f}, {high:.1f}] times at p50"


if __name__ == "__main__":
    typer.run(main)
