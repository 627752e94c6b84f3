"""`robot-policies launch`: start the graph of a launch file."""

from collections.abc import Mapping
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("launch")(launch)


def launch(
    file: Annotated[str, typer.Argument(help="A path, or the name of a shipped launch file.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME:=VALUE]...", help="Its arguments.")
    ] = None,
    show_args: Annotated[
        bool, typer.Option("--show-args", "-s", help="List the file's arguments and stop.")
    ] = False,
    own: Annotated[
        bool, typer.Option("--own", help="Do without `ros2 launch` even where it is installed.")
    ] = False,
) -> None:
    """Start a launch file; `ros2 launch` does it where that is installed.

    Exit status 1 if the trial did not end as meant: a latched stop, a fall, a policy that never
    acted; 3 if a process died or gave up, or a recording or film is not whole.
    """
    from robot_policies.cli.trial_summary import fault_of, launch_trial, summary_table
    from robot_policies.launching import show_arguments
    from robot_policies.launching.__main__ import parse_arguments

    if show_args:
        print(show_arguments(file))
        return
    given = parse_arguments(arguments or [])
    check_names(given)
    status, summary = launch_trial(file, given, own=own)
    if summary:
        from rich.console import Console

        Console().print(summary_table(summary))
        fault = fault_of(summary)
        print(fault or "the trial ended as meant")
        status = status or bool(fault)
    raise typer.Exit(status)


def check_names(given: Mapping[str, str]) -> None:
    """Refuse a wrong policy, robot, backend or task before any process is started.

    Raises:
        UnknownNameError: Naming the nearest valid one.
    """
    from robot_policies import catalog
    from robot_policies.policies.locate import BUILT_IN, find_checkpoint

    given = {name: value for name, value in given.items() if value not in ("", "none")}
    if "backend" in given:
        catalog.entry("backends", given["backend"])
    if "task" in given:
        catalog.entry("tasks", given["task"].partition("/")[0])
    if "robot" in given:
        catalog.load_robot(given["robot"])
    if "policy" in given and given["policy"] not in BUILT_IN:
        find_checkpoint(given["policy"])
