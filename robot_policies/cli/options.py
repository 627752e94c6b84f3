"""Options that several commands share, worded once."""

from pathlib import Path
from typing import Annotated, Literal

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
Device = Annotated[
    str,
    typer.Option("--device", help="Of the policy: cpu, cuda, cuda:1, mps; auto: a GPU if any."),
]
Dtype = Annotated[
    str,
    typer.Option(
        "--dtype",
        help="The policy computes in float32, bfloat16 or float16; auto: as it was trained.",
    ),
]
Contract = Annotated[
    Path | None,
    typer.Option("--contract", metavar="FILE", help="Instead of the policy's contract.yaml."),
]
Gains = Annotated[
    Literal["robot", "contract"],
    typer.Option("--gains", help="Whose gains track the policy's joint targets."),
]
Base = Annotated[
    str | None,
    typer.Option("--base", help="The policy that an adapter of lerobot-train --peft is added to."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is sampled.")]
Namespace = Annotated[str, typer.Option("--namespace", help="Namespace of the robot's nodes.")]
Network = Annotated[
    str, typer.Option("--network", help="As the launch argument: none, open, or peers A;B.")
]
