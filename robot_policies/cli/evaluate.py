"""`robot-policies evaluate`: paired episodes, intervals, comparisons, a report."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robot_policies.cli.options import Json, Seed
from robot_policies.cli.output import STDOUT, cell, dumps, progress, results, table
from robot_policies.interface import ConfigError, RobotPoliciesError

if TYPE_CHECKING:
    from robot_policies.evaluation.episode import Outcome

MOST_WORKERS = 8  # unless asked for; each holds its own torch, 0.6 to 1 GB
EPISODES, INITIAL, DOCUMENT, PAGE = (
    "episodes.json",
    "initial_conditions.json",
    "evaluation.json",
    "report.html",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    policy: Annotated[list[str], typer.Option("--policy", help="May be given several times.")],
    task: Annotated[list[str], typer.Option("--task", help="May be given several times.")],
    backend: Annotated[list[str], typer.Option("--backend", help="May be given several times.")],
    episodes: Annotated[int, typer.Option("--episodes", min=1, help="Per cell.")] = 20,
    seed: Seed = 0,
    delay_ms: Annotated[
        float, typer.Option("--delay-ms", min=0.0, help="From an observation to its chunk.")
    ] = 0.0,
    jitter_ms: Annotated[
        float,
        typer.Option("--jitter-ms", min=0.0, help="The delay varies by this much both ways."),
    ] = 0.0,
    engine: Annotated[str, typer.Option("--engine", help="local or ray.")] = "local",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; the free cores if left out.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the HTML report, the JSON and every episode."),
    ] = None,
    json: Json = None,
) -> None:
    """Evaluate policies on tasks in backends, with intervals and paired comparisons.

    Every cell (policy, task, backend) runs the same initial conditions: episode i has seed
    SEED + i. An episode that crashes counts as no success and is listed; the exit status is
    then 3.
    """
    from robot_policies.evaluation import report
    from robot_policies.evaluation.provenance import provenance
    from robot_policies.evaluation.suite import Suite, run_suite

    suite = Suite(
        tuple(policy),
        tuple(task),
        tuple(backend),
        episodes,
        seed,
        delay_ms / 1000.0,
        jitter_ms / 1000.0,
    )
    workers = workers or min(len(os.sched_getaffinity(0)), MOST_WORKERS)
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: is not a folder")
    with results(json) as output:
        origin = provenance(
            policy,
            episodes=episodes,
            seed=seed,
            delay_ms=delay_ms,
            jitter_ms=jitter_ms,
            engine=engine,
            workers=workers,
        )
        with progress() as bar:
            done = bar.add_task("evaluating", total=len(suite.jobs()))
            outcomes = run_suite(suite, engine, workers, lambda _: bar.advance(done))
        document = report.document(outcomes, origin)
        if out is not None:
            _write(out, document, outcomes)
        output.finish(document, *_tables(document))
    if out is not None:
        print(f"report: {out / PAGE}", file=sys.stderr if json == STDOUT else sys.stdout)
    _refuse_to_hide(outcomes)


def _write(out: Path, document: dict[str, Any], outcomes: "Sequence[Outcome]") -> None:
    from robot_policies.evaluation import report
    from robot_policies.evaluation.page import page

    rows = report.episodes(outcomes)
    initial: dict[str, dict[str, Any]] = {}
    for row in rows:
        initial.setdefault(row["task"], {})[str(row["seed"])] = row.pop("initial")
    out.mkdir(parents=True, exist_ok=True)
    (out / DOCUMENT).write_text(dumps(document), encoding="utf-8")
    (out / EPISODES).write_text(dumps(rows), encoding="utf-8")
    (out / INITIAL).write_text(dumps(initial), encoding="utf-8")
    (out / PAGE).write_text(page(document, rows), encoding="utf-8")


def _tables(document: dict[str, Any]) -> list[Any]:
    from robot_policies.evaluation.metrics import titled

    meanings = document["metrics"]
    shown = [
        table(
            "{policy} on {task} in {backend}, {episodes} episodes".format(**found),
            ("metric", "mean", "95 % interval"),
            [
                (titled(name, meanings), cell(estimate["mean"]), _bounds(estimate["ci95"]))
                for name, estimate in {"success": found["success"], **found["metrics"]}.items()
            ],
        )
        for found in document["cells"]
    ]
    pairs: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for entry in document["comparisons"]:
        where = f" in {entry['backend']}" if entry["backend"] else ""
        row = (
            titled(entry["metric"], meanings),
            cell(entry["difference"]),
            _bounds(entry["ci95"]),
        )
        pairs.setdefault((entry["a"], entry["b"], entry["task"] + where), []).append(
            (*row, f"{entry['p']:.2g}", entry["test"])
        )
    columns = ("metric", "difference", "95 % interval", "p", "test")
    for (a, b, where), rows in pairs.items():
        shown.append(table(f"{a} minus {b} on {where}, paired by seed", columns, rows))
    return shown


def _bounds(bounds: list[float] | None) -> str:
    return "-" if bounds is None else f"[{bounds[0]:.3g}, {bounds[1]:.3g}]"


def _refuse_to_hide(outcomes: "Sequence[Outcome]") -> None:
    crashed = [outcome for outcome in outcomes if outcome.error]
    if crashed:
        first = crashed[0]
        raise RobotPoliciesError(
            f"{len(crashed)} of {len(outcomes)} episodes crashed; first: {first.job.policy} on "
            f"{first.job.task} in {first.job.backend}, seed {first.job.seed}: {first.error}"
        )
