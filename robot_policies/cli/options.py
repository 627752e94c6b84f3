"""Options that several commands share, worded once."""

from typing import Annotated

import typer

Json = Annotated[
    str | None,
    typer.Option("--json", metavar="PATH", help="Write the result as JSON; - is stdout."),
]
Policy = Annotated[
    str, typer.Option("--policy", help="Built-in name, shipped id, folder or hub id.")
]
Backend = Annotated[
    str, typer.Option("--backend", help="Simulator, recorded log or robot; see `list backends`.")
]
Task = Annotated[str, typer.Option("--task", help="What to do; see `list tasks`.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is sampled.")]
Namespace = Annotated[str, typer.Option("--namespace", help="Namespace of the robot's nodes.")]
Network = Annotated[
    str, typer.Option("--network", help="As the launch argument: none, open, or peers A;B.")
]
