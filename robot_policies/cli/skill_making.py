"""`robot-policies skill train|compose|use`: from data to skills that act."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robot_policies.cli.options import Json, Seed
from robot_policies.cli.output import progress, results, table
from robot_policies.cli.skill_options import (
    Base,
    Library,
    Limits,
    Steps,
    describe_composition,
    open_library,
    read_base_of,
)
from robot_policies.interface import ConfigError
from robot_policies.interface.limits import limits_from_words

if TYPE_CHECKING:
    from robot_policies.skills.library.composition import Composition
    from robot_policies.skills.package.skill import Skill


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
    from robot_policies.policies.locate import find_checkpoint
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
        typer.Option("--data", help="Data set to train a router on; Arrow without it or weights."),
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(
            "--costs", help="Data set with costs; a router minds most where those did harm."
        ),
    ] = None,
    fallback: Annotated[
        str, typer.Option("--fallback", help="Skill for states none was trained in.")
    ] = "",
    node: Annotated[
        str | None, typer.Option("--node", help="Lets this running node act with it, too.")
    ] = None,
    version: Annotated[str, typer.Option("--version", help="Three numbers.")] = "1.0.0",
    steps: Steps = 1000,
    rate: Annotated[float, typer.Option("--rate", help="Learning rate of a router.")] = 3e-4,
    pull: Annotated[
        float, typer.Option("--pull", min=0.0, help="Of a router towards the best fixed weights.")
    ] = 0.0,
    seed: Seed = 0,
    library: Library = None,
    json: Json = None,
) -> None:
    """Put skills together by fixed weights, by a router trained on data, or by Arrow."""
    from robot_policies.skills.library import composition as compositions

    if weight and data is not None:
        raise ConfigError("--weight or --data, not both: fixed weights or a router")
    if costs is not None and data is None:
        raise ConfigError("--costs says which steps a router minds most; it needs --data as well")
    if node is not None and data is not None and library is not None:
        raise ConfigError(
            "--node with a router needs the node's own library, where it looks for routers: set "
            "$ROBOT_POLICIES_SKILLS for both, instead of --library"
        )
    reason = ""
    with results(json) as output, progress() as bar:
        opened, known = open_library(library), read_base_of(base)
        opened.check_new(name, version)
        chosen = [opened.load(each, known) for each in skill]
        router = None
        if data is not None:
            from robot_policies.policies.locate import find_checkpoint
            from robot_policies.policies.psec.fit import FitSettings
            from robot_policies.policies.psec.skill_run import load_base, run_router

            task = bar.add_task("router", total=steps)
            router = run_router(
                load_base(find_checkpoint(base), base),
                chosen,
                data,
                FitSettings(steps=steps, lr=rate, seed=seed),
                costs_root=costs,
                pull=pull,
                report=lambda step, loss: bar.update(task, completed=step),
            )
        made = compositions.compose(
            name, version, known, chosen, weights=weight or None, router=router, fallback=fallback
        )
        folder = opened.save(made)
        pairs = _interference(base, chosen)
        rows = [tuple(pair.values()) for pair in pairs]
        headings = tuple(pairs[0]) if pairs else ("first", "second")
        document = {**describe_composition(made), "folder": folder, "interference": pairs}
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


def use(
    skill: Annotated[
        list[str] | None,
        typer.Argument(
            help="Skills, as names of the library or absolute folders, or one composition; "
            "none: the base."
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
    library: Library = None,
    json: Json = None,
) -> None:
    """Let a running node act with these skills; exit status 1 if it refuses them."""
    from robot_policies.nodes.skill_client import use_skills

    names, weights = skill or [], weight or []
    with results(json) as output:
        made = _composition(library, names)
        if made and (weights or fallback):
            raise ConfigError(
                f"'{made.name}' is a composition, which has weights and a fallback of its own"
            )
        if made:
            folders = open_library(library).folders_of(made)
            names, weights = [str(folder) for folder in folders], list(made.weighting.weights)
            fallback = made.fallback
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


def _composition(library: Path | None, names: Sequence[str]) -> "Composition | None":
    """Return the composition that a single name stands for, if it does."""
    opened = open_library(library)
    known = {made.name for made in opened.compositions()}
    if len(names) == 1 and names[0].partition("@")[0] in known:
        return opened.composition(names[0])
    return None


def _interference(base: str, chosen: Sequence["Skill"]) -> list[dict[str, Any]]:
    from robot_policies.policies.checkpoint import read_checkpoint
    from robot_policies.policies.locate import find_checkpoint
    from robot_policies.skills.mixing.interference import interference_of

    policy = read_checkpoint(find_checkpoint(base), "cpu").policy
    return [asdict(p) for p in interference_of(policy, {s.card.name: s.adapter for s in chosen})]
