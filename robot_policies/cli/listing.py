"""`robot-policies list`: what can be named on the command line."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from robot_policies import catalog
from robot_policies.cli.options import Json
from robot_policies.cli.output import results, table
from robot_policies.interface import RobotPoliciesError
from robot_policies.policies import locate
from robot_policies.shared_files import find_config


class Kind(StrEnum):
    """What can be listed."""

    POLICIES = "policies"
    ROBOTS = "robots"
    BACKENDS = "backends"
    TASKS = "tasks"
    SKILLS = "skills"
    CHECKPOINTS = "checkpoints"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list")(list_names)


def list_names(
    kind: Annotated[
        Kind | None, typer.Argument(help="What to list; everything if left out.")
    ] = None,
    json: Json = None,
) -> None:
    """List policies, robots, backends, tasks, skills and checkpoints; a broken one says why."""
    kinds = list(Kind) if kind is None else [kind]
    with results(json) as output:
        found = {str(each): _entries(each) for each in kinds}
        output.finish(
            found,
            *(
                table(name, ("name", "from", "description"), [tuple(e.values()) for e in entries])
                for name, entries in found.items()
            ),
        )


def _entries(kind: Kind) -> list[dict[str, str]]:
    names, describe = _DESCRIBE[kind]
    return [
        {
            "name": name,
            "from": _described(name, lambda name: _origin(kind, name)),
            "description": _described(name, describe),
        }
        for name in names()
    ]


def _origin(kind: Kind, name: str) -> str:
    """Return who put it there."""
    if kind in (Kind.ROBOTS, Kind.BACKENDS, Kind.TASKS):
        return find_config(kind, name)[0].origin
    if kind is Kind.SKILLS:
        from robot_policies.skills.library.library import SkillLibrary

        return "shipped" if SkillLibrary().find(name).shipped else "yours"
    return "built in" if name in locate.BUILT_IN else locate.origin(name)


def _described(name: str, describe: Callable[[str], str]) -> str:
    """Return what is said of a name; of one whose file is broken, what is wrong with it."""
    try:
        return describe(name)
    except (RobotPoliciesError, OSError, ValueError, KeyError) as error:
        reason = str(error) if isinstance(error, RobotPoliciesError) else repr(error)
        return f"UNUSABLE: {' '.join(reason.split())}"


def _policy(name: str) -> str:
    built_in = name in locate.BUILT_IN
    return "built in, needs no checkpoint" if built_in else _checkpoint(name)


def _checkpoint(name: str) -> str:
    return _card(locate.find_checkpoint(name))


def _skills() -> list[str]:
    return list(_said_of_skills())


def _skill(name: str) -> str:
    return _said_of_skills()[name]


def _said_of_skills() -> dict[str, str]:
    """Return what `skill list` shows, by the names that every command takes."""
    from robot_policies.skills.library.library import SkillLibrary

    library = SkillLibrary()
    skills = [(e.card.name, e.card.version, e.card.description) for e in library.skills()]
    compositions = [
        (made.name, made.version, f"composition of {', '.join(s.name for s in made.skills)}")
        for made in library.compositions()
    ]
    broken = [(e.name, e.version, f"UNUSABLE: {e.reason}") for e in library.broken()]
    return {f"{name}@{version}": text for name, version, text in (*skills, *compositions, *broken)}


def _card(folder: Path) -> str:
    """Return the first sentence of a checkpoint's card."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.startswith("---\n"):  # front matter of the hub
        text = text.partition("\n---\n")[2]
    prose = re.sub(r"^#.*$", "", text, flags=re.MULTILINE).strip()
    first = " ".join(prose.partition("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", first)[0]


def _robot(name: str) -> str:
    robot = catalog.load_robot(name)
    return (
        f"{len(robot.joints)} joints, {len(robot.cameras)} cameras, "
        f"commanded at {robot.control_rate:g} Hz"
    )


_DESCRIBE: Mapping[Kind, tuple[Callable[[], list[str]], Callable[[str], str]]] = {
    Kind.POLICIES: (locate.policies, _policy),
    Kind.ROBOTS: (catalog.robots, _robot),
    Kind.BACKENDS: (catalog.backends, lambda name: catalog.entry("backends", name).description),
    Kind.TASKS: (catalog.tasks, lambda name: catalog.entry("tasks", name).description),
    Kind.SKILLS: (_skills, _skill),
    Kind.CHECKPOINTS: (locate.checkpoints, _checkpoint),
}
