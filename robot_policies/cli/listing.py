"""`robot-policies list`: what can be named on the command line."""

import re
from enum import StrEnum
from json import loads
from pathlib import Path
from typing import Annotated

import typer

from robot_policies.cli.options import Json
from robot_policies.cli.output import results, table


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
    """List policies, robots, backends, tasks, skills and checkpoints."""
    kinds = list(Kind) if kind is None else [kind]
    with results(json) as output:
        found = {str(each): _entries(each) for each in kinds}
        output.finish(
            found,
            *(
                table(name, ("name", "description"), [tuple(e.values()) for e in entries])
                for name, entries in found.items()
            ),
        )


def _entries(kind: Kind) -> list[dict[str, str]]:
    return [{"name": name, "description": text} for name, text in _DESCRIBE[kind]()]


def _policies() -> list[tuple[str, str]]:
    from robot_policies.policies import catalog

    cards = dict(_checkpoints())
    return [
        (name, cards.get(name, "built in, needs no checkpoint")) for name in catalog.policies()
    ]


def _checkpoints() -> list[tuple[str, str]]:
    from robot_policies.policies import catalog

    return [(name, _card(catalog.find_checkpoint(name))) for name in catalog.checkpoints()]


def _skills() -> list[tuple[str, str]]:
    from robot_policies.share import share_directory

    root = share_directory() / "checkpoints"
    cards = {path.parent: loads(path.read_bytes()) for path in sorted(root.rglob("skill.json"))}
    return [
        (folder.relative_to(root).as_posix(), card["description"])
        for folder, card in cards.items()
    ]


def _card(folder: Path) -> str:
    """Return the first sentence of a checkpoint's card."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.startswith("---\n"):  # front matter of the hub
        text = text.partition("\n---\n")[2]
    prose = re.sub(r"^#.*$", "", text, flags=re.MULTILINE).strip()
    first = " ".join(prose.partition("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", first)[0]


def _robots() -> list[tuple[str, str]]:
    from robot_policies import catalog

    robots = [catalog.load_robot(name) for name in catalog.robots()]
    return [
        (
            robot.name,
            f"{len(robot.joints)} joints, {len(robot.cameras)} cameras, "
            f"commanded at {robot.control_rate:g} Hz",
        )
        for robot in robots
    ]


def _backends() -> list[tuple[str, str]]:
    from robot_policies import catalog

    return [(name, catalog.entry("backends", name).description) for name in catalog.backends()]


def _tasks() -> list[tuple[str, str]]:
    from robot_policies import catalog

    return [(name, catalog.entry("tasks", name).description) for name in catalog.tasks()]


_DESCRIBE = {
    Kind.POLICIES: _policies,
    Kind.ROBOTS: _robots,
    Kind.BACKENDS: _backends,
    Kind.TASKS: _tasks,
    Kind.SKILLS: _skills,
    Kind.CHECKPOINTS: _checkpoints,
}
