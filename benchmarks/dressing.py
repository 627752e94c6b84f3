"""Dressing on `dress_arm`: a policy, the expert and the open-loop path on the same episodes.

    python benchmarks/dressing.py score --out DIR --who dressing/sleeve --who open_loop
    python benchmarks/dressing.py score --out DIR --who dressing/sleeve --task dress_arm/lift
    python benchmarks/dressing.py score --out DIR --who dressing/sleeve --no-gate
    python benchmarks/dressing.py score --out DIR --who hold --task dress_arm/raised --episodes 9
    python benchmarks/dressing.py limits --out DIR
    python benchmarks/dressing.py decisions --who dressing/sleeve
    python benchmarks/dressing.py table --out DIR

`expert` reads the simulator's truth and feels the load; `open_loop` follows the path that the
expert would choose at the start, by time alone. Episodes that are there are not run again. The
270 seeds of the grid take about an hour of one core for each policy.
"""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's

import numpy as np
import typer
from dressing_cells import cell, read, show_limits, show_table
from dressing_episode import OpenLoop, dress
from rich.progress import track

from robot_policies.control.episode import run_episode
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.policies.catalog import load_policy
from robot_policies.stage import open_stage
from robot_policies_sim.worlds.dressing.expert import DressingExpert

PRIVILEGED = {"expert": DressingExpert, "open_loop": OpenLoop}
GRID = 270  # 27 regions, 2 poses, 5 garments
app = typer.Typer(add_completion=False, help=__doc__)
Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]


@app.command()
def score(
    out: Out,
    who: Annotated[list[str], typer.Option("--who", help="Policies, expert, open_loop.")],
    task: Annotated[str, typer.Option("--task")] = "dress_arm",
    backend: Annotated[str, typer.Option("--backend")] = "mujoco",
    episodes: Annotated[int, typer.Option("--episodes", min=1)] = GRID,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    gate: Annotated[bool, typer.Option("--gate/--no-gate", help="Limits beside people.")] = True,
) -> None:
    """Run what is missing of each policy's episodes, and write a line for each."""
    stage = open_stage(backend, task)
    assert stage.task
    simulator, person = stage.simulator, stage.task.person
    assert person
    simulator.connect()
    limits = SafetyLimits.of(simulator.spec, task=stage.task)
    limits = limits if gate else replace(limits, person=None)
    for name in who:
        path = cell(out, name, task, backend, gate)
        done = {row["seed"] for row in read(path)}
        policy: Any = (
            PRIVILEGED[name](simulator)
            if name in PRIVILEGED
            else load_policy(name, robot=simulator.spec)
        )
        missing = [s for s in range(seed, seed + episodes) if s not in done]
        for number in track(missing, description=name):
            row = dress(simulator, policy, stage.task, person, limits, number)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")


@app.command()
def decisions(
    who: Annotated[str, typer.Option("--who")],
    number: Annotated[int, typer.Option("--number", min=10)] = 300,
) -> None:
    """Time answers on clouds of one episode, beside a bare loop of the same arithmetic."""
    stage = open_stage("mujoco", "dress_arm")
    assert stage.task
    simulator = stage.simulator
    simulator.connect()
    policy, took = load_policy(who, robot=simulator.spec), []

    class Timed:
        def __getattr__(self, name: str) -> Any:
            return getattr(policy, name)

        def act(self, observation: Any) -> Any:
            begin = time.perf_counter()
            answer = policy.act(observation)
            took.append(time.perf_counter() - begin)
            return answer

    timed: Any = Timed()
    seed, bare = 0, []
    while len(took) < number:
        run_episode(simulator, timed, stage.task, seed=seed)
        seed += 1
    square = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    for _ in range(number):
        begin = time.perf_counter()
        for _ in range(10):
            square @ square
        bare.append(time.perf_counter() - begin)
    for label, times in (("decision", took), ("ten products of 256 x 256", bare)):
        p50, p99 = 1e3 * np.percentile(times, (50, 99))
        print(f"{label}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, {len(times)} times")


@app.command()
def table(out: Out) -> None:
    """Print what there is, and each cell against the first one of its task on shared episodes."""
    show_table(out)


@app.command()
def limits(out: Out) -> None:
    """Print how many attempts of each cell lower limits of the load would have left."""
    show_limits(out)


if __name__ == "__main__":
    app()
