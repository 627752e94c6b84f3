"""`robot-policies robot`: robots that somebody else modelled."""

from pathlib import Path
from typing import Annotated

import typer

from robot_policies import catalog
from robot_policies.cli.options import Json
from robot_policies.cli.output import results, table
from robot_policies.interface import ConfigError
from robot_policies.places import own_folder

URDF = (".urdf", ".xacro")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    robot = typer.Typer(help="Robots that somebody else modelled.", no_args_is_help=True)
    robot.command("import")(import_robot)
    app.add_typer(robot, name="robot")


def import_robot(
    file: Annotated[
        str, typer.Argument(help="MJCF, URDF or xacro file, or menagerie:NAME.", metavar="FILE")
    ],
    name: Annotated[str, typer.Option("--name", help="Name of the robot.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for NAME.yaml; by default where robots are found."),
    ] = None,
    floating_base: Annotated[
        bool, typer.Option("--floating-base", help="The base of a URDF moves freely.")
    ] = False,
    json: Json = None,
) -> None:
    """Write a robot's file for a model, and list what had to be assumed."""
    from robot_policies.robots.draft import draft_robot
    from robot_policies.robots.draft_text import ASSUMED
    from robot_policies.robots.files import model_file
    from robot_policies.robots.reading import read_model

    with results(json) as output:
        named = _model(file)
        folder = (own_folder() / "robots" if out is None else out).absolute()
        path = folder / f"{name}.yaml"
        if not name.isidentifier():
            raise ConfigError(f"--name '{name}': expected letters, digits and underscores")
        if name in catalog.robots() or path.exists():
            raise ConfigError(f"--name '{name}': there is a robot of that name already")
        kind, source = model_file(named, Path.cwd(), "FILE")
        model = read_model(named, Path.cwd(), "FILE")
        if "menagerie" not in named:
            beside = source.is_relative_to(folder)
            named = {kind: str(source.relative_to(folder) if beside else source)}
        draft = draft_robot(name, named, model, floating_base or model.floating_base)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(draft.text, encoding="utf-8")
        assumed = sum(said == ASSUMED for *_, said in draft.rows)
        output.finish(
            {
                "file": str(path),
                "rows": [
                    dict(zip(("what", "value", "source"), r, strict=True)) for r in draft.rows
                ],
            },
            table(f"{path}", ("what", "value", "source"), draft.rows),
            f"{assumed} lines are assumed: look at them in {path} before the robot moves.",
        )


def _model(file: str) -> dict[str, str]:
    if file.startswith("menagerie:"):
        return {"menagerie": file.removeprefix("menagerie:")}
    return {"urdf" if Path(file).suffix in URDF else "mjcf": file}
