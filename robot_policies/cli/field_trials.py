"""`robot-policies evaluate --plan`: trial after trial on a robot, judged by its operator."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from robot_policies.cli.evaluation_tables import tables
from robot_policies.cli.output import results
from robot_policies.interface import BackendError, ConfigError

if TYPE_CHECKING:
    from robot_policies.evaluation.episode import Outcome
    from robot_policies.evaluation.field.trials import Judged

FAULTS = "faults.log"


def evaluate_plan(plan: Path, suite: str, out: Path | None, json: str | None) -> None:
    """Run trials on a robot as a locked plan says, and report on them once all are done.

    Args:
        plan: The plan's file.
        suite: Empty; a plan says itself what is tried.
        out: Folder of the trials.
        json: Where the document goes.

    Raises:
        ConfigError: If the options contradict, or another plan is locked there.
    """
    from robot_policies.evaluation import report
    from robot_policies.evaluation.field.trials import findings
    from robot_policies.evaluation.folder import PAGE, write
    from robot_policies.evaluation.provenance import provenance

    if suite or out is None:
        raise ConfigError("--plan goes with --out, the folder of its trials, and not with --suite")
    with results(json) as output:
        locked, outcomes = _run_all(plan, out)
        origin = provenance(locked["plan"]["policies"], plan=str(plan), digest=locked["digest"])
        document = report.document(outcomes, origin)
        document["plan"] = {**locked["plan"], "digest": locked["digest"]}
        document["findings"] = findings(locked, outcomes)
        write(out, document, outcomes)
        output.finish(document, *tables(document))
    _say(f"report: {out / PAGE}")


def _run_all(path: Path, folder: Path) -> tuple[dict[str, Any], "list[Outcome]"]:
    """Run the trials that are missing and return the lock and all outcomes, unblinded."""
    from robot_policies.catalog import load_task
    from robot_policies.data.lock import FolderLock
    from robot_policies.evaluation.field.lock import lock
    from robot_policies.evaluation.field.plan import read_plan
    from robot_policies.evaluation.field.trials import Trials, decided, unblind
    from robot_policies.launching.trial import run_trial

    plan, held = read_plan(path), FolderLock(folder)
    try:
        locked = lock(folder, plan)
        trials, total = Trials(folder, locked), len(locked["trials"])
        _say(f"plan {locked['digest']}: {len(trials.judged)} of {total} trials are done")
        horizon = load_task(plan.task).horizon
        while len(trials.judged) < total and not decided(locked, trials):
            trial = locked["trials"][len(trials.judged)]
            _set_scene(plan.task, locked["initial"][str(trial["seed"])], trial["seed"], folder)
            typer.prompt(
                f"trial {len(trials.judged) + 1} of {total}: Enter when the scene is set",
                default="",
                show_default=False,
                err=True,
            )
            words = {"task": plan.task, "backend": plan.backend, **plan.launch}
            words |= {"policy": trial["policy"], "seed": str(trial["seed"])}
            try:
                result = run_trial(words, horizon, os.environ)
            except BackendError as error:
                # Not shown: it may name the policy.
                with (folder / FAULTS).open("a", encoding="utf-8") as file:
                    file.write(f"trial {len(trials.judged) + 1}: {error}\n")
                _say(f"the graph broke off ({folder / FAULTS}); the trial is repeated")
                continue
            trials.add(_judge(float(result["duration"])))
        return locked, unblind(locked, trials)
    finally:
        held.release()


def _set_scene(task: str, initial: Mapping[str, Any], seed: int, folder: Path) -> None:
    from robot_policies.evaluation.field.scene import describe, draw

    picture = folder / "scenes" / f"{seed}.png"
    if not picture.exists() and not draw(task, initial, picture):
        _say("this task has no picture of its initial state")
    _say(describe(initial))
    if picture.exists():
        _say(f"picture: {picture}")


def _judge(duration: float) -> "Judged":
    """Ask how the trial went; the trial that was judged wrong may be said again at once."""
    from robot_policies.evaluation.field.trials import Judged

    while True:
        success = typer.confirm("success", err=True)
        credit = typer.prompt("partial credit, 0 to 1", default=1.0 if success else 0.0, err=True)
        cause = str(
            typer.prompt("why it ended so", default="", show_default=False, err=True)
        ).strip()
        try:
            judged = Judged(success, float(credit), cause, duration)
        except (ConfigError, ValueError) as error:
            _say(str(error))
            continue
        if typer.confirm("keep it", default=True, err=True):
            return judged


def _say(text: str) -> None:
    """Tell the operator; stdout may be the document's."""
    typer.echo(text, err=True)
