"""Figures of PSEC on the planar arm: new skills, forgetting, composition, another arm.

    python benchmarks/psec.py data  --out DIR [--workers 2]
    python benchmarks/psec.py run   --out DIR --seed 0 [--part new] (goes on where it stopped)
    python benchmarks/psec.py ship  --out DIR --seed 0 --to checkpoints/psec/arm
    python benchmarks/psec.py table --out DIR

`data` lets the scripted demonstrators record: 1500 episodes of a mixed crowd (straight, left,
right, shy, noisy; failures included) for the base and the skills `fast` (weighted by reward) and
`careful` (by cost); and, anew for each seed, demonstrations of each new task. `run` trains what is
new and scores it on the same 300 trials in MuJoCo, many arms at once; base, `fast` and `careful`
are those of the first run. A router is trained on episodes that trained no skill.
"""

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from psec_composition import ablation, composition
from psec_lab import (
    EPISODES,
    FAR,
    FAR_SCALE,
    FEW,
    HELD_OUT,
    SCALE,
    SHARED,
    SKILL,
    TASK,
    Lab,
    acting,
    head,
    learn,
    record,
    weighted,
)
from torch import Tensor

from robot_policies.evaluation.statistics import Estimate, mean, rate
from robot_policies.policies.psec.demonstrations import Demonstrations
from robot_policies.policies.psec.fit import FitSettings
from robot_policies.policies.psec.skill_run import describe_training
from robot_policies.policies.psec.train import (
    train_network,
    train_skill,
)
from robot_policies.skills.package.base import read_base
from robot_policies.skills.package.skill import pack

SIZES = (10, 100, 30, 5)  # demonstrations of the detour
WAYS = ("skill", "full matrix", "fine-tuning", "scratch")  # to learn a task
LONGER = 2.5  # times the steps from scratch
# Of 100 demonstrations.
SHIPPED, SHIPPED_SCALE = FitSettings(steps=1200, batch=128, lr=2e-3), 8.0


def new_skills(lab: Lab) -> None:
    """Learn the detour from few demonstrations, in four ways."""
    data = lab.data("detour")
    if lab.lacks("detour base"):
        lab.score("detour base", TASK)
    for size in SIZES:
        first = head(data, size)
        # More to see, more passes over it; the same for all but scratch.
        steps = round(SKILL.steps * max(size / FEW, 1.0) ** 0.5)
        settings = lab.settings(replace(SKILL, steps=steps))
        for how in filter(lambda how: lab.lacks(f"detour {how} {size}"), WAYS):
            score = partial(lab.score, f"detour {how} {size}", TASK)
            learn_in_a_way(lab, how, first, settings, score)


def learn_in_a_way(
    lab: Lab,
    how: str,
    data: Demonstrations,
    settings: FitSettings,
    score: Callable[..., None],
) -> None:
    """Learn a task in one of several ways, and score it."""
    if how in ("skill", "full matrix"):
        form = "low_rank" if how == "skill" else "full_matrix"
        adapter = train_skill(lab.policy, data, settings, form=form, scale=SCALE)
        with acting(lab.policy, {how: adapter}, torch.ones(1)):
            score()
        return
    scratch = how == "scratch"
    steps = round(settings.steps * (LONGER if scratch else 1.0))
    made = train_network(lab.policy, data, replace(settings, steps=steps), scratch=scratch)
    score(made.sample)


def forgetting(lab: Lab) -> None:
    """Score reaching before and after three skills came and went, and after fine-tuning."""
    task = f"{TASK}/reach"
    probe = torch.randn(64, lab.policy.config.observation_width)

    def answer() -> Tensor:
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            return lab.policy.sample(probe)

    before = answer()
    if lab.lacks("reach before"):
        lab.score("reach before", task)
    names = ("orbit", "push", "detour")
    much = (HELD_OUT, FAR, FAR_SCALE)
    skills = {name: lab.skill(name, partial(learn, lab, name, *much)) for name in names}
    with acting(lab.policy, skills, torch.ones(3)):
        assert not torch.equal(answer(), before)
    assert torch.equal(answer(), before), "the base is not what it was"
    if lab.lacks("reach after 3 skills"):
        lab.score("reach after 3 skills", task)
    for name in names:
        if lab.lacks(f"reach after fine-tuning to {name}"):
            few = head(lab.data(name), HELD_OUT)
            made = train_network(lab.policy, few, lab.settings(FAR))
            lab.score(f"reach after fine-tuning to {name}", task, made.sample)
        cell = f"{name} skill {HELD_OUT}, longer"
        if lab.lacks(cell):
            with acting(lab.policy, {name: skills[name]}, torch.ones(1)):
                lab.score(cell, task_of(name))


def task_of(skill: str) -> str:
    """Return the task that a skill is for."""
    return TASK if skill == "detour" else f"{TASK}/{skill}"


def run(arguments: argparse.Namespace) -> None:
    """Train and score one seed."""
    torch.set_num_threads(1)
    lab = Lab(arguments.out, arguments.seed)
    for part in arguments.part or PARTS:
        PARTS[part](lab)


PARTS = {
    "composition": composition,
    "new": new_skills,
    "forgetting": forgetting,
    "ablation": ablation,
}


def ship(arguments: argparse.Namespace) -> None:
    """Copy the base, and pack three skills with what they reached on the task."""
    torch.set_num_threads(1)
    lab, to = Lab(arguments.out, arguments.seed), arguments.to
    shutil.copytree(arguments.out / "base", to, dirs_exist_ok=True)
    base = read_base(to, "psec/arm")
    few = head(lab.data("detour"), max(SIZES))
    skills = {
        "fast": ("Makes progress to the goal, whatever is in the way", "reward"),
        "careful": ("Keeps away from the obstacle", "safety"),
        "detour": ("Goes to the goal round the obstacle", "imitation"),
    }
    for name, (text, objective) in skills.items():
        if shared := objective != "imitation":
            adapter = lab.skill(name, partial(weighted, lab, objective), shared=True)
        else:
            train = partial(train_skill, lab.policy, few, SHIPPED, scale=SHIPPED_SCALE)
            adapter = lab.skill(f"{name} shipped", train)
        cell = f"detour {name}" if shared else f"{name} shipped"
        if lab.lacks(cell):
            with acting(lab.policy, {name: adapter}, torch.ones(1)):
                lab.score(cell, TASK)
        used, numbers = (lab.data("mixed"), SHARED) if shared else (few, SHIPPED)
        pack(
            to / "skills" / name,
            base,
            name,
            "1.0.0",
            adapter=adapter,
            description=text,
            training=describe_training(used, objective, numbers.steps),
            metrics={"success": lab.success(cell), "task": TASK, "trials": EPISODES},
        )


def table(arguments: argparse.Namespace) -> None:
    """Print each cell: rate over all trials (Wilson), rates of the seeds, collisions."""
    scores: dict[str, list[dict[str, list[int]]]] = {}
    for path in sorted(arguments.out.glob("seed*/scores/*.json")):
        scores.setdefault(path.stem, []).append(json.loads(path.read_text()))
    print("| cell | success [95 %] | of each seed | mean of seeds [95 %] | collisions |")
    print("|---" * 5 + "|")
    for cell, rows in sorted(scores.items()):
        success = [row["success"] for row in rows]
        all_of_them = rate(sum(map(sum, success)), sum(map(len, success)))
        seeds = [float(np.mean(each)) for each in success]
        spread = mean(seeds)
        touched = [np.mean(row["collision"]) for row in rows if "collision" in row]
        print(
            f"| {cell} | {percent(all_of_them)} | {' '.join(f'{100 * s:.0f}' for s in seeds)} | "
            f"{percent(spread)} | {f'{100 * np.mean(touched):.0f}' if touched else ''} |"
        )


def percent(estimate: Estimate) -> str:
    """Return a mean and its interval in percent."""
    low, high = (
        100 * end if end is not None else float("nan") for end in (estimate.low, estimate.high)
    )
    return f"{100 * (estimate.mean or 0.0):.1f} [{low:.0f}, {high:.0f}]"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stage", choices=("data", "run", "ship", "table"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, help="folder of the shipped checkpoint")
    parser.add_argument("--part", choices=tuple(PARTS), action="append", help="all, if not given")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.stage == "data":
        record(arguments.out, arguments.workers)
    else:
        {"run": run, "ship": ship, "table": table}[arguments.stage](arguments)


if __name__ == "__main__":
    main()
