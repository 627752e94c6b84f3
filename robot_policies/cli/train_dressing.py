"""`robot-policies train dressing --stage ...`: teachers in simulation, and their one student."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from robot_policies.cli.output import progress
from robot_policies.interface import ConfigError, UnknownNameError

STAGES = ("teachers", "distil")
TASK, BACKEND = "dress_arm/train", "mujoco"


def train(
    stage: Annotated[str, typer.Option("--stage", help="teachers, then distil.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run.")] = None,
    learner: Annotated[
        str, typer.Option("--learner", help="distilled, kl, undistilled or direct.")
    ] = "distilled",
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of episodes, weights and order.")
    ] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Simulators.")] = 2,
    torch_threads: Annotated[
        int, typer.Option("--torch-threads", min=1, help="More than the free cores is slower.")
    ] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="A little of everything.")] = False,
) -> None:
    """Train a dressing policy; what lies in --out already is not made again."""
    if stage not in STAGES:
        raise UnknownNameError("stage", stage, STAGES, where="dressing")
    if out is None:
        raise ConfigError("--out is missing: say where the run goes")
    import torch

    from robot_policies.catalog import load_robot, load_task
    from robot_policies.evaluation.guided_episodes import Guidance, make_episodes
    from robot_policies.policies.dressing.recipe import Recipe
    from robot_policies.policies.dressing.schedule import QUICK, Amount

    torch.set_num_threads(torch_threads)
    task: Any = load_task(TASK)
    with progress() as bar:
        bars: dict[str, Any] = {}

        def shown(what: str, done: int, of: int) -> None:
            name = what.partition(",")[0]
            if name not in bars:
                bars[name] = bar.add_task(what, total=of)
            bar.update(bars[name], description=what, completed=done)

        def collect(name: str, seeds: Sequence[int], folder: Path, **who: Any) -> None:
            made = bar.add_task(f"episodes: {name}", total=len(seeds))
            guidance = Guidance(TASK, BACKEND, **who)
            make_episodes(guidance, seeds, folder, name, workers, lambda: bar.advance(made))

        recipe = Recipe(
            out,
            load_robot(task.robot),
            collect,
            task.arm_radii,
            task.group_of_seed,
            task.regions,
            amount=QUICK if quick else Amount(),
            seed=seed,
            progress=shown,
        )
        if stage == "teachers":
            recipe.teachers()
            print(out / "teachers")
        else:
            print(recipe.distil(learner))
