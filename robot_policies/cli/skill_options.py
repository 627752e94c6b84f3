"""What the commands of `robot-policies skill` have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from robot_policies.skills.library.composition import Composition
    from robot_policies.skills.library.library import SkillLibrary
    from robot_policies.skills.package.base import SkillBase

Library = Annotated[
    Path | None,
    typer.Option("--library", help="Folder of the library; $ROBOT_POLICIES_SKILLS otherwise."),
]
Base = Annotated[str, typer.Option("--base", help="Policy it is for: shipped id, folder, hub id.")]
Name = Annotated[str, typer.Argument(help="Name, or name@version.")]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="JOINT.velocity=RAD/S",
        help="Holds a joint to it, or to .lower or .upper, while the skill acts; repeat.",
    ),
]
Steps = Annotated[int, typer.Option("--steps", min=1, help="Optimiser steps.")]


def open_library(library: Path | None) -> "SkillLibrary":
    """Open the library named on the command line, or the user's."""
    from robot_policies.skills.library.library import SkillLibrary

    return SkillLibrary(library)


def read_base_of(name: str) -> "SkillBase":
    """Read what a skill of a policy must fit."""
    from robot_policies.policies.locate import find_checkpoint
    from robot_policies.skills.package.base import read_base

    return read_base(find_checkpoint(name), name)


def describe_composition(made: "Composition") -> dict[str, Any]:
    """Return a composition as the commands show it."""
    return {
        "name": made.name,
        "version": made.version,
        "kind": made.weighting.kind,
        "weights": list(made.weighting.weights),
        "skills": [f"{skill.name}@{skill.version}" for skill in made.skills],
        "fallback": made.fallback,
    }
