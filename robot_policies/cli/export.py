"""`robot-policies export`: the network of a policy as an ONNX graph."""

from pathlib import Path
from typing import Annotated

import typer

from robot_policies.cli.options import Json, Policy
from robot_policies.cli.output import results, table
from robot_policies.interface import UnknownNameError

FORMATS = ("onnx",)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    policy: Policy,
    out: Annotated[Path, typer.Option("--out", help="Folder of the checkpoint to write.")],
    to: Annotated[str, typer.Option("--to", help="Format: onnx.")] = FORMATS[0],
    json: Json = None,
) -> None:
    """Write a checkpoint that ONNX Runtime answers, and compare it with torch.

    Every command takes the new folder as --policy, and the launch file as policy:=.
    """
    if to not in FORMATS:
        raise UnknownNameError("format", to, FORMATS, "--to")
    from robot_policies.policies.exporting import export_policy
    from robot_policies.policies.locate import find_checkpoint

    with results(json) as output:
        found = export_policy(find_checkpoint(policy), out)
        ratio = found.torch_time / found.onnx_time
        rows = [
            ("answer of torch, one thread [ms]", 1e3 * found.torch_time),
            ("answer of ONNX Runtime, one thread [ms]", 1e3 * found.onnx_time),
            ("torch's time over ONNX Runtime's", ratio),
            ("largest difference, normalised action", found.difference),
        ]
        document = {"policy": policy, "out": str(out), "ratio": ratio, **vars(found)}
        output.finish(document, table(f"wrote {out}", ("what", "value"), rows))
