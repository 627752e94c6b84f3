"""Long trials through the real nodes, recorded, filmed and shown: what is missed, lost or grows.

    python benchmarks/soak.py --task go1_walk --policy uni_o4/go1_walk --seconds 600
    python benchmarks/soak.py --task tabletop_place --policy act_jepa/tabletop_place --seconds 600

Where a task ends before the time is over, another trial with the next seed follows it; the time
counts the launches as a whole, starting and converting included.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from launched import Launched, launched
from rich.console import Console
from rich.table import Table

DOMAIN = 98
PERIOD = 2.0  # s; between two looks at the processes
NODES = ("backend", "policy", "bringup")
MEBIBYTE = 2**20


def soak(policy: str, task: str, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    """Run one trial; return its figures, and memory [MiB] and descriptors over time.

    Args:
        policy: The policy.
        task: The task.
        seconds: Longest duration.
        seed: Seed of the trial.
        folder: Where the files go.

    Raises:
        RuntimeError: If the graph does not say how it went.
    """
    summary = folder / "summary.json"
    names = {"policy": policy, "task": task, "seconds": f"{seconds:g}", "seed": str(seed)}
    names |= {"summary": str(summary), "record": str(folder / "record")}
    names |= {"video": str(folder / "film.mp4"), "viewer": str(folder / "trail.rrd")}
    looks: list[dict[str, Any]] = []
    begin = time.monotonic()
    with launched(names, DOMAIN) as graph:
        while graph.process.poll() is None:
            looks.append({"time": time.monotonic() - begin, **_look(graph)})
            time.sleep(PERIOD)
    if not summary.is_file():
        raise RuntimeError(f"{task}, seed {seed}: the graph did not say how it went")
    result = json.loads(summary.read_text(encoding="utf-8"))
    kept = ("steps", "ended_by", "levels", "figures", "latency", "faults")
    return {"seed": seed, **{key: result[key] for key in kept}, "looks": looks}


def _look(graph: Launched) -> dict[str, Any]:
    """Return memory [MiB] and descriptors of each node, its own helpers' included."""
    seen: dict[str, Any] = {}
    for name in NODES:
        node = graph.node(name)
        try:
            family = [node, *node.children(recursive=True)] if node else []
            memory = sum(one.memory_info().rss for one in family) / MEBIBYTE
            seen[name] = (round(memory, 1), sum(one.num_fds() for one in family))
        except psutil.Error:
            continue
    return seen


def main(
    policy: Annotated[str, typer.Option("--policy")] = "uni_o4/go1_walk",
    task: Annotated[str, typer.Option("--task")] = "go1_walk",
    seconds: Annotated[float, typer.Option("--seconds", min=1.0)] = 600.0,
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
) -> None:
    """Run trials until they fill the time, print a table, and write what was seen."""
    trials: list[dict[str, Any]] = []
    begin = time.monotonic()
    while (left := begin + seconds - time.monotonic()) > 1.0:
        with tempfile.TemporaryDirectory() as folder:
            trials.append(soak(policy, task, left, len(trials), Path(folder)))
        if out:
            out.write_text(json.dumps(trials, indent=2) + "\n", encoding="utf-8")
    Console(width=150).print(_table(trials))


def _table(trials: list[dict[str, Any]]) -> Table:
    table = Table(
        title="memory in MiB and descriptors of the robot's node: after a fifth, and at the end"
    )
    keys = ("steps", "steps_missed", "loop_period_max_ms", "lost_rows", "lost_frames")
    for column in ("ended by", *keys, "memory", "descriptors"):
        table.add_column(column)
    for trial in trials:
        seen = [look["backend"] for look in trial["looks"] if "backend" in look]
        early, late = seen[len(seen) // 5], seen[-2:][0]
        figures = [f"{trial['figures'].get(key, 0.0):g}" for key in keys]
        grown = [f"{early[i]:g}, {late[i]:g}" for i in range(2)]
        table.add_row(trial["ended_by"], *figures, *grown)
    return table


if __name__ == "__main__":
    typer.run(main)
