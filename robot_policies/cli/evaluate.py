"""`robot-policies evaluate`: paired episodes, intervals, comparisons, a report."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robot_policies.cli.evaluation_tables import tables
from robot_policies.cli.field_trials import evaluate_plan
from robot_policies.cli.options import Base, Contract, Device, Dtype, Gains, Json, Seed
from robot_policies.cli.output import STDOUT, progress, results
from robot_policies.cli.recorded_trials import evaluate_recorded
from robot_policies.interface import ConfigError, RobotPoliciesError

if TYPE_CHECKING:
    from robot_policies.evaluation.episode import Outcome
    from robot_policies.evaluation.run_suite import Shard
    from robot_policies.evaluation.suite import Suite

Policies = Annotated[list[str], typer.Option("--policy", help="May be given several times.")]
Tasks = Annotated[list[str], typer.Option("--task", help="May be given several times.")]
Backends = Annotated[list[str], typer.Option("--backend", help="May be given several times.")]
OF_A_SUITE = ("policy", "task", "backend", "episodes", "seed", "delay_ms", "jitter_ms", "nodes")

MOST_WORKERS = 8  # unless asked for; each holds its own torch, 0.6 to 1 GB
FEWEST_EPISODES = 4  # of a worker, unless asked for: what it takes to open the cells anew


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    context: typer.Context,
    suite: Annotated[
        str, typer.Option("--suite", help="YAML file, or a name in config/evaluations.")
    ] = "",
    plan: Annotated[
        Path | None, typer.Option("--plan", help="YAML file: blind trials on a robot, with --out.")
    ] = None,
    recorded: Annotated[
        list[str] | None,
        typer.Option("--recorded", metavar="NAME=DIR", help="Recorded trials with next.success."),
    ] = None,
    policy: Policies = [],  # noqa: B006  # Typer copies it
    task: Tasks = [],  # noqa: B006
    backend: Backends = [],  # noqa: B006
    episodes: Annotated[int, typer.Option("--episodes", min=1, help="Per cell.")] = 20,
    seed: Seed = 0,
    delay_ms: Annotated[
        float, typer.Option("--delay-ms", min=0.0, help="From an observation to its chunk.")
    ] = 0.0,
    jitter_ms: Annotated[
        float,
        typer.Option("--jitter-ms", min=0.0, help="The delay varies by this much both ways."),
    ] = 0.0,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Through the launched graph, in real time.")
    ] = False,
    device: Device = "cpu",
    dtype: Dtype = "auto",
    contract: Contract = None,
    base: Base = None,
    gains: Gains = "robot",
    engine: Annotated[str, typer.Option("--engine", help="local or ray.")] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Processes; if left out, one for each free core that has 4 episodes.",
        ),
    ] = None,
    shard: Annotated[
        str, typer.Option("--shard", help="Part of the suite for this machine, such as 2/3.")
    ] = "1/1",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for outcomes and report; an interrupted run goes on."),
    ] = None,
    films: Annotated[
        int, typer.Option("--films", min=0, help="Film so many of the worst failures for --out.")
    ] = 0,
    json: Json = None,
) -> None:
    """Evaluate policies on tasks in backends, with intervals and paired comparisons.

    Every cell (policy, task, backend, condition) runs the same initial conditions: episode i has
    seed SEED + i. An episode that crashes counts as no success and is listed; the exit status is
    then 3. With --out each outcome is kept as it comes in, and the same command goes on after an
    interruption.
    """
    from robot_policies.evaluation import report
    from robot_policies.evaluation.folder import PAGE, write
    from robot_policies.evaluation.provenance import provenance
    from robot_policies.evaluation.run_suite import run_suite

    if suite or plan or recorded:
        _refuse_both(context, "--suite" if suite else "--plan" if plan else "--recorded")
    if recorded:
        evaluate_recorded(recorded, out, json)
        return
    if plan:
        evaluate_plan(plan, suite, out, json)
        return
    condition = {"delay": delay_ms / 1000.0, "jitter": jitter_ms / 1000.0, "nodes": nodes}
    if (contract or base) and len(policy) != 1:
        raise ConfigError(f"--contract and --base go with one policy, {len(policy)} were given")
    condition |= {
        "device": device,
        "dtype": dtype,
        "contract": str(contract or ""),
        "base": base or "",
        "gains": gains,
    }
    asked = _suite(suite, policy, task, backend, episodes, seed, condition)
    part = _shard(shard)
    total = sum(part.has(job) for job in asked.jobs())
    workers = workers or _workers(asked, total)
    if films and out is None:
        raise ConfigError("--films needs --out, the folder they are written to")
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: is not a folder")
    with results(json) as output:
        origin = provenance(
            asked.policies,
            suite=suite or None,
            episodes=asked.episodes,
            seed=asked.seed,
            conditions={c.name: c.to_json() for c in asked.conditions},
            **({} if suite else {"delay_ms": delay_ms, "jitter_ms": jitter_ms, "nodes": nodes}),
            engine=engine,
            workers=workers,
            shard=shard,
        )
        with progress() as bar:
            done = bar.add_task("evaluating", total=total)
            found = run_suite(asked, engine, workers, lambda _: bar.advance(done), out, part)
        document = report.document(found.outcomes, origin, found.refused, asked.recipes)
        if out is not None:
            write(out, document, found.outcomes, films)
        output.finish(document, *tables(document))
    if out is not None:
        where = sys.stderr if json == STDOUT else sys.stdout
        if found.kept:
            print(f"{found.kept} of {total} episodes were there already", file=where)
        print(f"report: {out / PAGE}", file=where)
    _refuse_to_hide(found.outcomes)


def _workers(suite: "Suite", episodes: int) -> int:
    """Return how many processes are worth it; a graph in real time wants the machine alone."""
    if any(condition.nodes for condition in suite.conditions):
        return 1
    return max(1, min(len(os.sched_getaffinity(0)), MOST_WORKERS, episodes // FEWEST_EPISODES))


def _refuse_both(context: typer.Context, chosen: str) -> None:
    sources = {name: context.get_parameter_source(name) for name in OF_A_SUITE}
    given = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    if given:
        raise ConfigError(f"{chosen} says this itself: {', '.join(map(_option, given))}")


def _option(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"


def _suite(
    name: str,
    policies: Sequence[str],
    tasks: Sequence[str],
    backends: Sequence[str],
    episodes: int,
    seed: int,
    condition: Mapping[str, Any],
) -> "Suite":
    from robot_policies.evaluation.condition import Condition
    from robot_policies.evaluation.suite import Suite
    from robot_policies.evaluation.suite_file import read_suite

    if name:
        return read_suite(name)
    named = (tuple(policies), tuple(tasks), tuple(backends))
    return Suite(*named, episodes, seed, (Condition(**condition),))


def _shard(text: str) -> "Shard":
    from robot_policies.evaluation.run_suite import Shard

    try:
        return Shard(*map(int, text.split("/")))
    except (TypeError, ValueError):
        raise ConfigError(f"--shard {text}: expected two numbers such as 2/3") from None


def _refuse_to_hide(outcomes: "Sequence[Outcome]") -> None:
    crashed = [outcome for outcome in outcomes if outcome.error]
    if crashed:
        first = crashed[0]
        raise RobotPoliciesError(
            f"{len(crashed)} of {len(outcomes)} episodes crashed; first: {first.job.cell}, "
            f"seed {first.job.seed}: {first.error}"
        )
