"""`robot-policies align`: move a GRAPE policy towards what an objective prefers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robot_policies.cli.options import Json, Seed
from robot_policies.cli.output import progress, results, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from robot_policies.policies.grape.trajectories import Trajectory

QUICK = {"states": 12, "repeats": 4, "iterations": 1, "epochs": 1}
FIRST_STATE = 1_000_000  # seeds of initial states that no evaluation uses
POINTS = frozenset({"tip", "cube", "pad", "obstacle"})


def register(app: typer.Typer) -> None:
    """Add the command, and `show` below it."""
    group = typer.Typer()
    group.callback(invoke_without_command=True)(align)
    group.command("show")(show)
    app.add_typer(group, name="align")


def show(
    folder: Annotated[Path, typer.Argument(help="Folder of an iteration, or its preferences.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="HTML file.")] = Path(
        "preferences.html"
    ),
    pairs: Annotated[int, typer.Option("--pairs", min=1, help="How many pairs at most.")] = 50,
) -> None:
    """Write a page with the films of preferred and rejected attempts side by side."""
    from robot_policies.evaluation.preference_page import preference_page
    from robot_policies.policies.grape.iterations import PREFERENCES

    inside = folder / PREFERENCES
    out.write_text(preference_page(inside if inside.is_dir() else folder, pairs), "utf-8")
    print(out)


def align(
    context: typer.Context,
    policy: Annotated[
        str, typer.Option("--policy", help="Shipped id, folder or hub id of a GRAPE policy.")
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the iterations.")] = None,
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            help="success, safety, efficiency, outcome, or a YAML file; safety, or outcome with "
            "--data, if left out.",
        ),
    ] = "",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Recorded attempts that say whether they succeeded; none are made."
        ),
    ] = None,
    task: Annotated[str, typer.Option("--task", help="What to try.")] = "tabletop_obstacle",
    backend: Annotated[str, typer.Option("--backend", help="Simulator.")] = "mujoco",
    method: Annotated[
        str,
        typer.Option(
            "--method", help="tpo, window, step, stage, clone, unpaired, group or conditioned."
        ),
    ] = "tpo",
    iterations: Annotated[int, typer.Option("--iterations", min=1, help="How often.")] = 3,
    states: Annotated[
        int, typer.Option("--states", min=1, help="Initial states per iteration.")
    ] = 100,
    repeats: Annotated[
        int, typer.Option("--repeats", min=2, help="Attempts from each of them.")
    ] = 6,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Times each pair is used.")] = 4,
    nll: Annotated[
        float, typer.Option("--nll", min=0.0, help="Weight of imitating the chosen; paper: 0.")
    ] = 1.0,
    seed: Seed = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="One small iteration, to see that it works.")
    ] = False,
    json: Json = None,
) -> None:
    """Align a policy by preferences over attempts, its own or recorded ones.

    Each iteration tries every state several times, ranks the attempts by the objective, pairs the
    best with the worst and trains low-rank additions on the pairs, which are then merged. A run
    that was stopped goes on when it is started again with the same --out. `align show` shows them.
    Of recorded attempts there is one iteration, on the data as it is.
    """
    if context.invoked_subcommand:
        return
    if not policy or out is None:
        raise typer.BadParameter("expected --policy and --out, or align show FOLDER")
    from robot_policies.evaluation.attempts import attempt_all
    from robot_policies.policies.grape.iterations import iterate
    from robot_policies.policies.grape.objective import read_objective
    from robot_policies.policies.grape.recorded import recorded_attempts
    from robot_policies.policies.grape.settings import AlignmentSettings
    from robot_policies.policies.locate import find_checkpoint

    if quick:
        states, repeats = QUICK["states"], QUICK["repeats"]
        iterations, epochs = QUICK["iterations"], QUICK["epochs"]
    if data is not None:
        iterations = 1
    objective = objective or ("outcome" if data else "safety")
    preferred = read_objective(objective, frozenset() if data else POINTS)
    settings = AlignmentSettings(method=method, nll=nll, epochs=epochs, seed=seed)

    def collect(folder: Path, number: int) -> "Sequence[Trajectory]":
        if data is not None:
            return recorded_attempts(data, folder)
        first = FIRST_STATE * (1 + seed) + states * number
        return attempt_all(folder, task, backend, range(first, first + states), repeats, seed=seed)

    with results(json) as output:
        with progress() as bar:
            done = bar.add_task("aligning", total=iterations)
            made = iterate(
                find_checkpoint(policy),
                out,
                preferred,
                collect,
                settings,
                iterations,
                report=lambda number: bar.advance(done),
            )
        rows = [
            (number, each.attempts, each.pairs, each.success, each.collision)
            for number, each in enumerate(made, 1)
        ]
        columns = ("iteration", "attempts", "pairs", "success before", "collision before")
        shown = table(f"{policy}, {objective}: {made[-1].folder}", columns, rows)
        output.finish({"iterations": made}, shown)
