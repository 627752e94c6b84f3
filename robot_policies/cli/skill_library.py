"""`robot-policies skill list|show|add|remove|verify`: the library of skills."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robot_policies.cli.options import Json
from robot_policies.cli.output import results, table
from robot_policies.cli.skill_options import (
    Base,
    Library,
    Limits,
    Name,
    describe_composition,
    open_library,
    read_base_of,
)
from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.interface.limits import limits_from_words

if TYPE_CHECKING:
    from robot_policies.skills.library.listing import Entry


def list_skills(library: Library = None, json: Json = None) -> None:
    """List skills and compositions, the user's and the shipped ones."""
    with results(json) as output:
        opened = open_library(library)
        entries = [_entry(entry) for entry in opened.skills()]
        made = [describe_composition(composition) for composition in opened.compositions()]
        broken = [asdict(entry) for entry in opened.broken()]
        columns = ("name", "version", "robot", "description", "shipped")
        tables = [
            table("skills", columns, [tuple(entry[c] for c in columns) for entry in entries]),
            table(
                "compositions",
                ("name", "version", "weighting", "skills"),
                [(m["name"], m["version"], m["kind"], ", ".join(m["skills"])) for m in made],
            ),
        ]
        if broken:
            reasons = [(each["name"], each["version"], each["reason"]) for each in broken]
            tables.append(table("not readable", ("name", "version", "reason"), reasons))
        output.finish(
            {"library": opened.root, "skills": entries, "compositions": made, "broken": broken},
            *tables,
        )


def show(name: Name, library: Library = None, json: Json = None) -> None:
    """Show everything a skill says of itself."""
    with results(json) as output:
        entry = open_library(library).find(name)
        card = {**asdict(entry.card), "digest": entry.card.digest, "folder": entry.folder}
        rows = [(key, value) for key, value in card.items() if value not in ("", {}, None)]
        output.finish(card, table(name, ("field", "value"), rows))


def add(
    source: Annotated[str, typer.Argument(help="Folder, .zip, or hub repository.")],
    base: Base,
    name: Annotated[
        str | None, typer.Option("--name", help="Makes a plain peft adapter a skill of this name.")
    ] = None,
    version: Annotated[str, typer.Option("--version", help="Its version.")] = "1.0.0",
    limit: Limits = None,
    library: Library = None,
    json: Json = None,
) -> None:
    """Check a skill and take it into the library; a refused one leaves no trace."""
    with results(json) as output:
        opened, known = open_library(library), read_base_of(base)
        if name is not None:
            limits = limits_from_words(limit or [], "--limit")
            entry = opened.adopt(Path(source), known, name, version, limits)
        elif limit:
            raise ConfigError("--limit needs --name: the card of a skill is not changed")
        else:
            entry = opened.add(source, known)
        output.finish(_entry(entry), table("added", ("name", "version"), [_reference(entry)]))


def remove(name: Name, library: Library = None, json: Json = None) -> None:
    """Take a skill or a composition out of the library."""
    with results(json) as output:
        reference = open_library(library).remove(name)
        document = dict(zip(("name", "version"), reference, strict=True))
        output.finish(document, table("removed", ("name", "version"), [reference]))


def verify(
    name: Annotated[str, typer.Argument(help="Name, name@version, or a folder.")],
    base: Annotated[str | None, typer.Option("--base", help="Check whether it fits, too.")] = None,
    library: Library = None,
    json: Json = None,
) -> None:
    """Check files, digests, signature and, with --base, that it fits; exit status 1 if not."""
    reason = ""
    with results(json) as output:
        opened, known = open_library(library), None if base is None else read_base_of(base)
        try:
            opened.verify(name, known)
        except CheckpointError as error:
            reason = str(error)
        verdict = reason or ("fits" if base else "intact")
        output.finish(
            {"skill": name, "base": base, "valid": not reason, "reason": reason},
            table(name, ("verdict",), [(verdict,)]),
        )
    if reason:
        raise typer.Exit(1)


def _entry(entry: "Entry") -> dict[str, Any]:
    card = entry.card
    return {
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "policy": card.base.policy,
        "robot": card.robot,
        "digest": card.digest,
        "folder": entry.folder,
        "shipped": entry.shipped,
    }


def _reference(entry: "Entry") -> tuple[str, str]:
    return entry.card.name, entry.card.version
