"""What stalls do to a walking robot: of the control thread, the policy and the messages.

    python benchmarks/stalls.py [--quick] [--in mujoco] [--in pybullet] [--in nodes] [--json FILE]

In an engine everything runs on the logical clock (`stalled_episode.py`). In `nodes` the processes
of a launched graph with MuJoCo are stopped (`stalled_graph.py`), up to five times in a trial. Each
stall begins at a random phase of the walk, and every place and length is tried from the same
conditions.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stalled_episode import Outcome, Stall, stall_an_episode
from stalled_graph import stall_a_graph

from robot_policies.catalog import load_robot, load_task
from robot_policies.evaluation.statistics import rate
from robot_policies.policies.catalog import load_policy
from robot_policies.stage import open_stage

POLICY, TASK = "uni_o4/go1_walk", "go1_walk"
PLACES = ("control", "policy", "messages")
LENGTHS = (0.02, 0.06, 0.1, 0.2, 0.5, 1.5)  # s
EARLIEST, SPREAD = 1.0, 1.0  # s; when a stall begins
AFTER = 3.0  # s; how long the robot is watched afterwards

IN_A_TRIAL = 5  # stalls through the nodes; each launch costs more time than they do

Try = Callable[[Sequence[Stall]], list[Outcome]]


def in_process(engine: str) -> Try:
    """Return what tries stalls on the logical clock, each in an episode with the next seed."""
    policy, device = (
        load_policy(POLICY, robot=load_robot("go1")),
        open_stage(engine, TASK).simulator,
    )
    device.connect()
    return lambda stalls: [
        stall_an_episode(policy, device, load_task(TASK), stall, AFTER, seed)
        for seed, stall in enumerate(stalls)
    ]


def through_nodes(stalls: Sequence[Stall]) -> list[Outcome]:
    """Try stalls in launched graphs, each with the next seed."""
    ran: list[Outcome] = []
    for seed in count():
        if len(ran) == len(stalls):
            break
        some = stalls[len(ran) :][:IN_A_TRIAL]
        ran += stall_a_graph(POLICY, TASK, "mujoco", some, AFTER, seed)
    return ran


def main(
    where: Annotated[list[str], typer.Option("--in")] = ["mujoco", "pybullet"],  # noqa: B006
    trials: Annotated[int, typer.Option("--trials", min=1)] = 20,
    quick: Annotated[bool, typer.Option("--quick", help="Four trials in MuJoCo.")] = False,
    places: Annotated[list[str], typer.Option("--place")] = list(PLACES),  # noqa: B006
    lengths: Annotated[list[float], typer.Option("--length")] = list(LENGTHS),  # noqa: B006
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
) -> None:
    """Measure, print a table, and write the rows."""
    if quick:
        where, trials = ["mujoco"], 4
    begins = EARLIEST + SPREAD * np.random.default_rng(0).random(trials)
    rows, document = [], []
    for name in where:
        attempt = through_nodes if name == "nodes" else in_process(name)
        cells = [(place, length) for place in places for length in lengths]
        for place, length in track(cells, description=name):
            ran = attempt([Stall(place, float(begin), length) for begin in begins])
            rows.append({"in": name, "place": place, "stall": length, **summed_up(ran)})
            document.append({**rows[-1], "each": [asdict(one) for one in ran]})
            if out:
                out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    table = Table(title=f"{POLICY}, {trials} stalls each")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(width=140).print(table)


def summed_up(ran: Sequence[Outcome]) -> dict[str, Any]:
    """Return the counts of some trials with their intervals, and their median times. [s]."""
    counts = {
        "falls": sum(one.fell for one in ran),
        "latched": sum(one.latched and not one.fell for one in ran),
        "walks_on": sum(one.walks for one in ran),
    }
    summary: dict[str, Any] = {"trials": len(ran)}
    for name, number in counts.items():
        summary |= {name: number, f"{name}_ci95": rate(number, len(ran)).to_json()["ci95"]}
    for name in ("held", "followed"):
        seen = [time for one in ran if (time := getattr(one, name)) is not None]
        summary[name] = float(np.median(seen)) if seen else None
    return summary


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(f"{entry:.2f}" for entry in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    typer.run(main)
