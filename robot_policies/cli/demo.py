"""`robot-policies demo`, what `make demo` runs: the shipped policy walks through the ROS nodes."""

from pathlib import Path
from typing import Annotated

import typer

from robot_policies.cli.options import Json
from robot_policies.cli.output import results
from robot_policies.cli.trial_summary import fault_of, launch_trial, summary_table
from robot_policies.interface import RobotPoliciesError

LAUNCH_FILE = "policy.launch.xml"
FILES = {"summary": "summary.json", "video": "walk.mp4", "viewer": "walk.rrd"}  # by argument


def register(app: typer.Typer) -> None:
    """Add the command; hidden, because `make demo` is its name for people."""
    app.command("demo", hidden=True)(demo)


def demo(
    policy: Annotated[str, typer.Option("--policy")] = "uni_o4/go1_walk",
    task: Annotated[str, typer.Option("--task")] = "go1_walk",
    backend: Annotated[str, typer.Option("--backend")] = "mujoco",
    seconds: Annotated[float, typer.Option("--seconds", min=1.0)] = 20.0,
    out: Annotated[Path, typer.Option("--out", help="Folder for video and recording.")] = Path(
        "demo"
    ),
    json: Json = None,
) -> None:
    """Launch the graph for some seconds and sum up how it went.

    Exit status 1 if it did not end as meant.
    """
    from robot_policies.cli.launch import check_names

    files = {name: str(out.resolve() / file) for name, file in FILES.items()}
    given = {"policy": policy, "task": task, "backend": backend, "seconds": str(seconds)}
    check_names(given)
    with results(json) as output:
        out.mkdir(parents=True, exist_ok=True)
        status, summary = launch_trial(LAUNCH_FILE, {**given, **files})
        if status or not summary:
            raise RobotPoliciesError(f"the launch ended with status {status} and no summary")
        output.finish(summary, summary_table(summary))
    if fault_of(summary):
        raise typer.Exit(1)
