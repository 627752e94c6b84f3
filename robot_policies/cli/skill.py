"""`robot-policies skill`: the library of skills, their training and their compositions."""

import typer

from robot_policies.cli import skill_library, skill_making

COMMANDS = {
    "list": skill_library.list_skills,
    "show": skill_library.show,
    "add": skill_library.add,
    "remove": skill_library.remove,
    "verify": skill_library.verify,
    "train": skill_making.train,
    "compose": skill_making.compose,
    "use": skill_making.use,
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    skills = typer.Typer(
        help="List, check, train and compose the skills of a policy.", no_args_is_help=True
    )
    for name, command in COMMANDS.items():
        skills.command(name)(command)
    app.add_typer(skills, name="skill")
