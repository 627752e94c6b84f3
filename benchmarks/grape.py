"""GRAPE on `tabletop_obstacle`: demonstrations, imitation, alignment, rivals, and their figures.

    python benchmarks/grape.py --out DIR                    # everything, three training seeds
    python benchmarks/grape.py --out DIR --stage train      # or demos, score, table, times, films
    python benchmarks/grape.py --out DIR --seed 0 --quick   # minutes, to see that it runs

What is there already is kept, so a run that was stopped goes on; training and scoring may run at
the same time. Rivals and ablations belong to the first seed. Episodes run many at a time with one
model call per step (`evaluation/together.py`), safety gate included.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")

import typer
from grape_demonstrations import KINDS, demonstrate
from grape_figure import draw
from grape_films import film
from grape_scores import last, score, table
from grape_times import times
from grape_training import OBJECTIVES, RIVALS, SFT, align, imitate
from rich.console import Console

DEMONSTRATIONS = "demonstrations"


class Stage(StrEnum):
    """What is done."""

    ALL = "all"
    DEMOS = "demos"
    TRAIN = "train"
    SCORE = "score"
    TABLE = "table"
    TIMES = "times"
    FILMS = "films"


def main(
    out: Annotated[Path, typer.Option("--out")],
    stage: Annotated[Stage, typer.Option("--stage")] = Stage.ALL,
    seeds: Annotated[list[int], typer.Option("--seed")] = [0, 1, 2],  # noqa: B006
    demonstrations: Annotated[int, typer.Option("--demonstrations")] = 400,
    steps: Annotated[int, typer.Option("--steps")] = 2800,
    episodes: Annotated[int, typer.Option("--episodes")] = 200,
    quick: Annotated[bool, typer.Option("--quick")] = False,
) -> None:
    """Do what is not done yet.

    Args:
        out: Folder of everything.
        stage: What to do.
        seeds: Training seeds; the first one gets rivals and ablations.
        demonstrations: Of each of two kinds of start.
        steps: Updates of the imitation.
        episodes: Initial states that are scored.
        quick: Do little of everything.
    """
    most = 1000
    if quick:
        demonstrations, steps, episodes, most = 40, 400, 8, 8
    folders = [out / f"seed_{seed}" for seed in seeds]

    def wanted(one: Stage) -> bool:
        return stage in (one, Stage.ALL)

    if wanted(Stage.DEMOS):
        for kind in KINDS:
            demonstrate(out / DEMONSTRATIONS, kind, demonstrations)
    if wanted(Stage.TRAIN):
        for seed, folder in zip(seeds, folders, strict=True):
            imitate(out / DEMONSTRATIONS, folder / SFT, steps, seed)
            align(folder, OBJECTIVES, seed, most)
        align(folders[0], RIVALS, seeds[0], most)
    if wanted(Stage.SCORE):
        for folder in folders:
            score(folder, extra=False, episodes=episodes)
        score(folders[0], extra=True, episodes=episodes)
    if stage == Stage.FILMS:
        film([folders[0] / name for name in (SFT, *map(last, OBJECTIVES))], out / "grape.png")
        return
    if stage == Stage.TIMES:
        tables = times(folders[0] / SFT)
    else:
        tables = table(folders)
        draw(folders, out / "grape.svg")
    for shown in tables:
        Console(width=200).print(shown)


if __name__ == "__main__":
    typer.run(main)
