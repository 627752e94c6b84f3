"""`robot-policies contract`: write a new checkpoint's contract from what its data set says."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("contract")(contract)


def contract(
    checkpoint: Annotated[Path, typer.Argument(help="Folder with a config.json.")] = Path("."),
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DATASET",
            help="LeRobotDataset v3 folder; the one that train_config.json names if left out.",
        ),
    ] = None,
    robot: Annotated[
        str, typer.Option("--robot", help="If the data set names none, or by another name.")
    ] = "",
    unit: Annotated[
        list[str] | None,
        typer.Option(
            "--unit",
            metavar="UNIT|JOINT=UNIT",
            help="Where the data set says none: deg, rad, %, ...; may be repeated.",
        ),
    ] = None,
) -> None:
    """Write CHECKPOINT/contract.yaml: names, units, rate and robot of the data it learned from."""
    from robot_policies.policies.drafting import draft_contract

    typer.echo(f"wrote {draft_contract(checkpoint, dataset, robot, unit or [])}")
