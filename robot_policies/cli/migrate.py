"""`robot-policies migrate`: a checkpoint from before LeRobot 0.4, as LeRobot has it now."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("migrate")(migrate)


def migrate(checkpoint: Annotated[Path, typer.Argument(help="The old checkpoint.")]) -> None:
    """Write CHECKPOINT_migrated with LeRobot's own migration, without a network."""
    from robot_policies.policies.migration import migrate

    typer.echo(f"wrote {migrate(checkpoint)}")
