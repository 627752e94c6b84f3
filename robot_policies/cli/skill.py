"""`robot-policies skill`: the library of skills, their training and their compositions."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robot_policies.cli.options import Json, Seed
from robot_policies.cli.output import progress, results, table
from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.interface.limits import limits_from_words

if TYPE_CHECKING:
    from robot_policies.skills.base import SkillBase
    from robot_policies.skills.composition import Composition
    from robot_policies.skills.library import Entry, SkillLibrary
    from robot_policies.skills.package import Skill

skills = typer.Typer(
    help="List, check, train and compose the skills of a policy.", no_args_is_help=True
)

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


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(skills, name="skill")


@skills.command("list")
def list_skills(library: Library = None, json: Json = None) -> None:
    """List skills and compositions, the user's and the shipped ones."""
    with results(json) as output:
        opened = _open(library)
        entries = [_entry(entry) for entry in opened.skills()]
        made = [_composition(composition) for composition in opened.compositions()]
        columns = ("name", "version", "robot", "description", "shipped")
        output.finish(
            {"library": opened.root, "skills": entries, "compositions": made},
            table("skills", columns, [tuple(entry[c] for c in columns) for entry in entries]),
            table(
                "compositions",
                ("name", "version", "weighting", "skills"),
                [(m["name"], m["version"], m["kind"], ", ".join(m["skills"])) for m in made],
            ),
        )


@skills.command("show")
def show(name: Name, library: Library = None, json: Json = None) -> None:
    """Show everything a skill says of itself."""
    with results(json) as output:
        entry = _open(library).find(name)
        card = {**asdict(entry.card), "digest": entry.card.digest, "folder": entry.folder}
        rows = [(key, value) for key, value in card.items() if value not in ("", {}, None)]
        output.finish(card, table(name, ("field", "value"), rows))


@skills.command("add")
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
        opened, known = _open(library), _base(base)
        if name is not None:
            limits = limits_from_words(limit or [], "--limit")
            entry = opened.adopt(Path(source), known, name, version, limits)
        elif limit:
            raise ConfigError("--limit needs --name: the card of a skill is not changed")
        else:
            entry = opened.add(source, known)
        output.finish(_entry(entry), table("added", ("name", "version"), [_reference(entry)]))


@skills.command("remove")
def remove(name: Name, library: Library = None, json: Json = None) -> None:
    """Take a skill or a composition out of the library."""
    with results(json) as output:
        opened = _open(library)
        compositions = {made.name for made in opened.compositions()}
        if name.partition("@")[0] in compositions:
            made = opened.remove_composition(name)
            reference = (made.name, made.version)
        else:
            reference = _reference(opened.remove(name))
        document = dict(zip(("name", "version"), reference, strict=True))
        output.finish(document, table("removed", ("name", "version"), [reference]))


@skills.command("verify")
def verify(
    name: Annotated[str, typer.Argument(help="Name, name@version, or a folder.")],
    base: Annotated[str | None, typer.Option("--base", help="Check whether it fits, too.")] = None,
    library: Library = None,
    json: Json = None,
) -> None:
    """Check files, digests, signature and, with --base, that it fits; exit status 1 if not."""
    reason = ""
    with results(json) as output:
        opened, known = _open(library), None if base is None else _base(base)
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


@skills.command("train")
def train(
    name: Annotated[str, typer.Argument(help="Name of the new skill.")],
    base: Base,
    data: Annotated[Path, typer.Option("--data", help="Folder of a LeRobot data set.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the skill.")],
    objective: Annotated[
        str, typer.Option("--objective", help="imitation, reward or safety.")
    ] = "imitation",
    version: Annotated[str, typer.Option("--version", help="Three numbers.")] = "1.0.0",
    description: Annotated[str, typer.Option("--description", help="One sentence.")] = "",
    steps: Steps = 2000,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Samples per step.")] = 256,
    rate: Annotated[float, typer.Option("--rate", help="Learning rate.")] = 3e-4,
    rank: Annotated[int, typer.Option("--rank", min=1, help="Of the additions.")] = 8,
    scale: Annotated[float, typer.Option("--scale", help="lora_alpha over rank.")] = 16.0,
    limit: Limits = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run.")] = False,
    json: Json = None,
) -> None:
    """Train a skill of a psec policy on a data set and pack it; `skill add` takes it in."""
    from robot_policies.policies.catalog import find_checkpoint
    from robot_policies.policies.psec.fit import FitSettings
    from robot_policies.policies.psec.skill_run import load_base, run_skill

    with results(json) as output, progress() as bar:
        task = bar.add_task(name, total=steps)
        made = run_skill(
            load_base(find_checkpoint(base), base),
            data,
            out,
            name,
            version,
            objective=objective,
            settings=FitSettings(steps=steps, batch=batch, lr=rate, seed=seed),
            rank=rank,
            scale=scale,
            description=description,
            limits=limits_from_words(limit or [], "--limit"),
            resume=resume,
            report=lambda step, loss: bar.update(task, completed=step),
        )
        metrics = dict(made.card.metrics)
        output.finish(
            {"name": name, "version": version, "folder": out, "metrics": metrics},
            table(f"{name} {version} in {out}", ("metric", "value"), list(metrics.items())),
        )


@skills.command("compose")
def compose(
    name: Annotated[str, typer.Argument(help="Name of the composition.")],
    base: Base,
    skill: Annotated[
        list[str], typer.Option("--skill", help="A skill, as name or name@version; repeat.")
    ],
    weight: Annotated[
        list[float] | None, typer.Option("--weight", help="Fixed weight of each; repeat.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Data set to train a gate on; Arrow without it or weights."),
    ] = None,
    fallback: Annotated[
        str, typer.Option("--fallback", help="Skill for states none was trained in.")
    ] = "",
    node: Annotated[
        str | None, typer.Option("--node", help="Lets this running node act with it, too.")
    ] = None,
    version: Annotated[str, typer.Option("--version", help="Three numbers.")] = "1.0.0",
    steps: Steps = 1000,
    rate: Annotated[float, typer.Option("--rate", help="Learning rate of a gate.")] = 3e-4,
    pull: Annotated[
        float, typer.Option("--pull", min=0.0, help="Of a gate towards even weights.")
    ] = 0.0,
    seed: Seed = 0,
    library: Library = None,
    json: Json = None,
) -> None:
    """Put skills together by fixed weights, by a gate trained on data, or by Arrow."""
    from robot_policies.skills import composition as compositions

    if weight and data is not None:
        raise ConfigError("--weight or --data, not both: fixed weights or a gate")
    if node is not None and data is not None and library is not None:
        raise ConfigError(
            "--node with a gate needs the node's own library, where it looks for gates: set "
            "$ROBOT_POLICIES_SKILLS for both, instead of --library"
        )
    reason = ""
    with results(json) as output, progress() as bar:
        opened, known = _open(library), _base(base)
        opened.check_new(name, version)
        chosen = [opened.load(each, known) for each in skill]
        gate = None
        if data is not None:
            from robot_policies.policies.catalog import find_checkpoint
            from robot_policies.policies.psec.fit import FitSettings
            from robot_policies.policies.psec.skill_run import load_base, run_gate

            task = bar.add_task("gate", total=steps)
            gate = run_gate(
                load_base(find_checkpoint(base), base),
                chosen,
                data,
                FitSettings(steps=steps, lr=rate, seed=seed),
                pull=pull,
                report=lambda step, loss: bar.update(task, completed=step),
            )
        made = compositions.compose(
            name, version, known, chosen, weights=weight or None, gate=gate, fallback=fallback
        )
        folder = opened.save(made)
        pairs = _interference(base, chosen)
        rows = [tuple(pair.values()) for pair in pairs]
        headings = tuple(pairs[0]) if pairs else ("first", "second")
        document = {**_composition(made), "folder": folder, "interference": pairs}
        verdict = f"{name} {version}"
        if node is not None:
            from robot_policies.nodes.skill_client import use_skills

            # By folder, for the node may look for names elsewhere.
            folders = [str(each.folder.resolve()) for each in chosen]
            reason = use_skills(node, folders, weight or [], fallback)
            document |= {"node": node, "reason": reason}
            verdict += f" in {node}: {reason or 'in use'}"
        output.finish(document, table(f"{verdict}; interference of its skills", headings, rows))
    if reason:
        raise typer.Exit(1)


@skills.command("use")
def use(
    skill: Annotated[
        list[str] | None,
        typer.Argument(
            help="Skills, as names of the library or absolute folders; none: the base."
        ),
    ] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option("--weight", help="Weight of each; repeat. Without it, by context."),
    ] = None,
    fallback: Annotated[
        str, typer.Option("--fallback", help="Skill of them for states none was trained in.")
    ] = "",
    node: Annotated[str, typer.Option("--node", help="The running policy node.")] = "/policy",
    json: Json = None,
) -> None:
    """Let a running node act with these skills; exit status 1 if it refuses them."""
    from robot_policies.nodes.skill_client import use_skills

    names, weights = skill or [], weight or []
    with results(json) as output:
        reason = use_skills(node, names, weights, fallback)
        output.finish(
            {
                "node": node,
                "skills": names,
                "weights": weights,
                "fallback": fallback,
                "reason": reason,
            },
            table(node, ("skills", "verdict"), [(", ".join(names), reason or "in use")]),
        )
    if reason:
        raise typer.Exit(1)


def _interference(base: str, chosen: Sequence["Skill"]) -> list[dict[str, Any]]:
    from robot_policies.policies.catalog import find_checkpoint
    from robot_policies.policies.checkpoint import read_checkpoint
    from robot_policies.skills.interference import interference_of

    policy = read_checkpoint(find_checkpoint(base), "cpu").policy
    return [asdict(p) for p in interference_of(policy, {s.card.name: s.adapter for s in chosen})]


def _open(library: Path | None) -> "SkillLibrary":
    from robot_policies.skills.library import SkillLibrary

    return SkillLibrary(library)


def _base(name: str) -> "SkillBase":
    from robot_policies.policies.catalog import find_checkpoint
    from robot_policies.skills.base import read_base

    return read_base(find_checkpoint(name), name)


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


def _composition(made: "Composition") -> dict[str, Any]:
    return {
        "name": made.name,
        "version": made.version,
        "kind": made.weighting.kind,
        "weights": list(made.weighting.weights),
        "skills": [f"{skill.name}@{skill.version}" for skill in made.skills],
        "fallback": made.fallback,
    }
