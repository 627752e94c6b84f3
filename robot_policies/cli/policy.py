"""`robot-policies policy`: policies that another project trained and published."""

from pathlib import Path
from typing import Annotated

import typer

from robot_policies.cli.options import Json
from robot_policies.cli.output import results, table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Policies that were trained elsewhere.", no_args_is_help=True, add_completion=False
    )
    group.command("import")(import_)
    app.add_typer(group, name="policy")


def import_(
    folder: Annotated[
        Path, typer.Argument(help="With rl_sar's config.yaml or Isaac Lab's deploy.yaml.")
    ],
    robot: Annotated[str, typer.Option("--robot", help="See `list robots`.")],
    name: Annotated[str, typer.Option("--name", help="Folder to write the checkpoint to.")],
    lower: Annotated[
        tuple[float, float, float] | None,
        typer.Option("--lower", help="Least command: ahead, left [m/s], turn [rad/s]."),
    ] = None,
    upper: Annotated[
        tuple[float, float, float] | None,
        typer.Option("--upper", help="Greatest command, if the files do not say it."),
    ] = None,
    json: Json = None,
) -> None:
    """Write a checkpoint of a walking policy: an ONNX file and the meaning of its numbers."""
    from robot_policies.policies.onnx_locomotion.importing import import_policy

    with results(json) as output:
        said = import_policy(folder, robot, Path(name), lower, upper)
        terms = said.network["observation"]
        rows = [
            (term["term"], *(str(term[key]) for key in ("unit", "scale", "history")))
            for term in terms
        ]
        notes = [f"assumed: {line}" for line in said.assumed]
        if said.lower is None or said.upper is None:
            notes.append("no range of commands is known, so none is refused: --lower, --upper")
        document = {"checkpoint": name, "robot": robot, "terms": terms, "notes": notes}
        title = f"what {name} sees; wrote config.json, contract.yaml and policy.onnx"
        shown = table(title, ("term", "unit", "scale", "control steps ago"), rows)
        output.finish(document, shown, *notes)
