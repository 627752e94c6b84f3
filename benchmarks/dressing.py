"""Dressing on `dress_arm`: a policy, the expert and the open-loop path on the same episodes.

    python benchmarks/dressing.py score --out DIR --who dressing/sleeve --who open_loop
    python benchmarks/dressing.py score --out DIR --who dressing/sleeve --task dress_arm/lift
    python benchmarks/dressing.py score --out DIR --who dressing/sleeve --no-gate
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
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from robot_policies.control.episode import run_episode
from robot_policies.control.load import LoadJudge
from robot_policies.control.records import StepRecord
from robot_policies.control.refusal import Cause
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.evaluation.statistics import compare_means, mean, rate
from robot_policies.interface import PersonLimits
from robot_policies.policies.catalog import load_policy
from robot_policies.stage import open_stage
from robot_policies_sim.worlds.dressing.expert import PERIOD, SPACING, DressingExpert
from robot_policies_sim.worlds.dressing.person import REGIONS, arm_joints

EXPERT, OPEN_LOOP = "expert", "open_loop"
GRID = 270  # 27 regions, 2 poses, 5 garments
LIMITS = ((5.0, 10.0), (6.0, 12.0), (7.0, 14.0), (8.0, 16.0), (10.0, 20.0), (12.0, 20.0))  # N
FEEL = 1e6  # N; a limit that is never reached, to feel without judging
app = typer.Typer(add_completion=False, help=__doc__)
Out = Annotated[Path, typer.Option("--out", help="Folder of the run.")]


class OpenLoop(DressingExpert):
    """The expert's path from the start, followed by time and nothing else."""

    name = OPEN_LOOP

    def reset(self, seed: int) -> None:
        """Forget the path."""
        self._steps: deque[np.ndarray] = deque()

    def act(self, observation: Any) -> Any:
        """Return the next step of the path. Shape (1, 6). [m], [rad]."""
        if not self._steps:
            self._plan()
        step = self._steps.popleft() if len(self._steps) > 1 else self._steps[0]
        chunk = super().act(observation)
        return replace(chunk, values=step[None])

    def _plan(self) -> None:
        """Divide the path into steps at full speed; the last is a rest."""
        truth = self._simulator.read(pictures=False).truth
        path, way = self.path(arm_joints(truth)), self._manner.speed * PERIOD
        along = SPACING * np.arange(len(path.points))
        here = path.nearest(truth["end_effector"][:3])
        columns = (*path.points.T, path.headings)
        wanted = np.arange(here, along[-1], way)
        steps = np.diff([np.interp(wanted, along, column) for column in columns])
        for x, y, z, turn in steps.T:
            self._steps.append(np.array([x, y, z, 0.0, 0.0, turn]))
        self._steps.append(np.zeros(6))


class Felt:
    """An observer that keeps the load at the wrist, and when the gate stopped the robot for it."""

    def __init__(self, limits: PersonLimits) -> None:
        """Take the limits that the gate has, or would have."""
        self._limits = limits

    def begin(self, robot: Any, policy: Any, task: Any, initial: Any) -> None:
        """Begin an episode."""
        self._feels = LoadJudge(robot, replace(self._limits, force=FEEL, peak_force=FEEL))
        self._times: list[float] = []
        self.loads: list[float] = []
        self._stopped: float | None = None

    def step(self, record: StepRecord) -> None:
        """Keep the load of a control step."""
        self._feels.judge(record.state, record.time)
        self._times.append(record.time)
        self.loads.append(self._feels.load)
        refusal = record.verdict.refusal
        if self._stopped is None and refusal and refusal.cause is Cause.FORCE:
            self._stopped = record.time

    def end(self, result: Any) -> None:
        """Nothing is kept open."""

    def figures(self) -> dict[str, float | None]:
        """Return the greatest loads [N], when one was over its limit, and when it stopped [s]."""
        times, loads = np.array(self._times), np.array(self.loads)
        limits, period = self._limits, times[1] - times[0]
        width = round(limits.force_time / period)
        # As the gate does: no mean is judged before a whole span of it was measured.
        means = np.zeros(len(loads))
        means[width:] = np.convolve(loads[1:], np.full(width, 1.0 / width), "valid")
        over = (means > limits.force) | (loads > limits.peak_force)
        first = float(times[np.argmax(over)]) if over.any() else None
        return {
            "load_peak": float(loads.max()),
            "load_mean": float(loads.mean()),
            "load_mean_peak": float(means.max()),
            "overshoot": float(max(means.max() - limits.force, loads.max() - limits.peak_force)),
            "first_over": first,
            "stopped": self._stopped,
        }


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
            {EXPERT: DressingExpert, OPEN_LOOP: OpenLoop}[name](simulator)
            if name in (EXPERT, OPEN_LOOP)
            else load_policy(name, robot=simulator.spec)
        )
        missing = [s for s in range(seed, seed + episodes) if s not in done]
        for number in track(missing, description=name):
            felt = Felt(person)
            result = run_episode(
                simulator, policy, stage.task, seed=number, limits=limits, observers=[felt]
            )
            row = {
                "seed": number,
                "garment": result.initial["goal"]["garment"],
                "region": result.initial["goal"]["region"],
                "ended": str(result.ended_by),
                **result.metrics,
                **felt.figures(),
                "refusals": dict(result.refusals),
            }
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
    console, shown = Console(width=170), Table(title="dress_arm")
    for column in ("cell", "episodes", "whole arm", "upper arm", "success", "peak load, N"):
        shown.add_column(column)
    for column in ("force stops", "worst region", "overshoot p99, N", "stop after, ms"):
        shown.add_column(column)
    cells = {path.stem: read(path) for path in sorted(out.glob("*.jsonl"))}
    for name, rows in cells.items():
        shown.add_row(name, *summary(rows))
    console.print(shown)
    for name, rows in cells.items():
        for garment in sorted({row["garment"] for row in rows}):
            some = [row["whole_arm_ratio"] for row in rows if row["garment"] == garment]
            print(f"{name}, {garment}: {words(some)}, {len(some)} episodes")
    for other, one in pairs(cells):
        mine, theirs = ({row["seed"]: row for row in cells[name]} for name in (one, other))
        shared = sorted(mine.keys() & theirs.keys())
        if not shared:
            continue
        a, b = ([rows[s]["whole_arm_ratio"] for s in shared] for rows in (mine, theirs))
        found = compare_means(a, b)
        print(
            f"{one} against {other}, {len(shared)} episodes: whole arm {found.difference:+.3f} "
            f"[{found.low:+.3f}, {found.high:+.3f}], p = {found.p:.2g}"
        )


@app.command()
def limits(out: Out) -> None:
    """Print how many attempts of each cell lower limits of the load would have left.

    An attempt runs the same up to the moment a limit stops it. So whether it succeeds within
    other limits, up to those it had, is known from its greatest loads.
    """
    for path in sorted(out.glob("*.jsonl")):
        rows = read(path)
        for mean_limit, peak in LIMITS:
            inside = [
                row["load_mean_peak"] <= mean_limit and row["load_peak"] <= peak for row in rows
            ]
            whole = [row["success"] > 0 and ok for row, ok in zip(rows, inside, strict=True)]
            found = rate(sum(whole), len(rows))
            print(
                f"{path.stem}: {mean_limit:g} N on average, {peak:g} N once: {sum(whole)} of "
                f"{len(rows)} succeed [{found.low:.0%}, {found.high:.0%}], "
                f"{len(rows) - sum(inside)} stopped"
            )


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """Return the figures of a cell in words."""
    success = rate(sum(row["success"] > 0 for row in rows), len(rows))
    regions = {r: [row for row in rows if row["region"] == r] for r in range(len(REGIONS))}
    worst = min(
        (np.mean([row["whole_arm_ratio"] for row in some]), r)
        for r, some in regions.items()
        if some
    )
    stopped = [row for row in rows if row["stopped"] is not None]
    waits = [1e3 * (row["stopped"] - row["first_over"]) for row in stopped]
    over = [row["overshoot"] for row in stopped]
    return [
        str(len(rows)),
        words([row["whole_arm_ratio"] for row in rows]),
        words([row["upper_arm_ratio"] for row in rows]),
        f"{success.mean:.1%} [{success.low:.0%}, {success.high:.0%}]",
        words([row["load_peak"] for row in rows], 1),
        str(len(stopped)),
        f"{worst[0]:.2f} (region {worst[1]})",
        f"{np.percentile(over, 99):.1f}" if over else "-",
        f"{np.max(waits):.0f}" if waits else "-",
    ]


def words(values: list[float], digits: int = 3) -> str:
    """Return a mean and its interval."""
    found = mean(values)
    if found.low is None or found.high is None:
        return f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def cell(out: Path, who: str, task: str, backend: str, gate: bool) -> Path:
    """Return the file of a cell."""
    out.mkdir(parents=True, exist_ok=True)
    name = f"{who}.{task}.{backend}{'' if gate else '.ungated'}"
    return out / f"{name.strip('/').replace('/', '_')}.jsonl"


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a cell; none if there are none yet."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def pairs(cells: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each pair of cells of one task once."""
    names = list(cells)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if one.split(".")[1:] == other.split(".")[1:]:
                yield one, other


if __name__ == "__main__":
    app()
