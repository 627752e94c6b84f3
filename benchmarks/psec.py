"""Figures of PSEC on the planar arm: new skills, forgetting, composition, another arm.

    python benchmarks/psec.py data  --out DIR [--workers 2]
    python benchmarks/psec.py run   --out DIR --seed 0 [--part new] (goes on where it stopped)
    python benchmarks/psec.py ship  --out DIR --seed 0 --to checkpoints/psec/arm
    python benchmarks/psec.py table --out DIR

`data` lets the scripted demonstrators record: 1500 episodes of a mixed crowd (straight, left,
right, shy, noisy; failures included) for the base and the skills `fast` (weighted by reward) and
`careful` (by cost); and, anew for each seed, demonstrations of each new task. `run` trains what is
new and scores it on the same 300 trials in MuJoCo, many arms at once; base, `fast` and `careful`
are those of the first run. A gate is trained on episodes that trained no skill.
"""

import argparse
import json
import shutil
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from psec_lab import (
    EPISODES,
    SCALE,
    SHARED,
    SKILL,
    TASK,
    Lab,
    acting,
    head,
    learn,
    record,
    tail,
    weighted,
)
from torch import Tensor

from robot_policies.evaluation.statistics import Estimate, mean, rate
from robot_policies.policies.psec.fit import FitSettings
from robot_policies.policies.psec.levels import LevelMixture, train_level
from robot_policies.policies.psec.skill_run import describe_training
from robot_policies.policies.psec.train import (
    composed,
    train_gate,
    train_network,
    train_skill,
    train_weights,
)
from robot_policies.skills.base import read_base
from robot_policies.skills.package import pack
from robot_policies.skills.routing import ArrowRouter

SIZES = {"detour": (5, 10, 30, 100), "orbit": (10,)}  # demonstrations of a new task
FEW, HELD_OUT = 10, 30  # demonstrations of a library's newest skill, and of the gates
SHIFTS = ("mass", "damping", "gain")
NEW = {
    "skill": SKILL,
    "full matrix": SKILL,
    "fine-tuning": SKILL,
    "scratch": FitSettings(steps=1500, batch=128, lr=1e-3),
}
# Of 100 demonstrations; chosen on other trials, where 600 steps of scale 2 were not enough.
SHIPPED, SHIPPED_SCALE = FitSettings(steps=1200, batch=128, lr=2e-3), 8.0
GATE = FitSettings(steps=400, batch=128, lr=1e-3)
FIXED = FitSettings(steps=300, batch=128, lr=2e-2)
PULL = 0.05  # of a gate towards even weights


def new_skills(lab: Lab) -> None:
    """Learn tasks from few demonstrations, in four ways."""
    for name, sizes in SIZES.items():  # near what the crowd did, and far from it
        data, task = lab.data(name), task_of(name)
        if lab.lacks(f"{name} base"):
            lab.score(f"{name} base", task)
        for size, (how, settings) in product(sizes, NEW.items()):
            cell, first = f"{name} {how} {size}", head(data, size)
            if not lab.lacks(cell):
                continue
            settings = lab.settings(settings)
            if how in ("fine-tuning", "scratch"):
                made = train_network(lab.policy, first, settings, scratch=how == "scratch")
                lab.score(cell, task, made.sample)
                continue
            form = "low_rank" if how == "skill" else "full_matrix"
            adapter = train_skill(lab.policy, first, settings, form=form, scale=SCALE)
            with acting(lab.policy, {how: adapter}, torch.ones(1)):
                lab.score(cell, task)


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
    skills = {name: lab.skill(name, partial(learn, lab, name, HELD_OUT)) for name in names}
    with acting(lab.policy, skills, torch.ones(3)):
        assert not torch.equal(answer(), before)
    assert torch.equal(answer(), before), "the base is not what it was"
    if lab.lacks("reach after 3 skills"):
        lab.score("reach after 3 skills", task)
    for name in names:
        if lab.lacks(f"reach after fine-tuning to {name}"):
            few = head(lab.data(name), HELD_OUT)
            made = train_network(lab.policy, few, lab.settings(NEW["fine-tuning"]))
            lab.score(f"reach after fine-tuning to {name}", task, made.sample)
        if lab.lacks(f"{name} skill {HELD_OUT}"):
            with acting(lab.policy, {name: skills[name]}, torch.ones(1)):
                lab.score(f"{name} skill {HELD_OUT}", task_of(name))


def task_of(skill: str) -> str:
    """Return the task that a skill is for."""
    return TASK if skill == "detour" else f"{TASK}/{skill}"


def composition(lab: Lab) -> None:
    """Compose skills for the detour, at every level, and on the shifted arms."""
    skills = {
        "fast": lab.skill("fast", partial(weighted, lab, "reward"), shared=True),
        "careful": lab.skill("careful", partial(weighted, lab, "safety"), shared=True),
        "new": lab.skill("new", partial(learn, lab, "detour", FEW)),
    }
    held_out = tail(lab.data("detour"), HELD_OUT)
    gate, levels = lab.settings(GATE), ("noise", "action")
    if lab.lacks("detour base"):
        lab.score("detour base", TASK)
    for name, adapter in skills.items():
        if lab.lacks(f"detour {name}"):
            with acting(lab.policy, {name: adapter}, torch.ones(1)):
                lab.score(f"detour {name}", TASK)
    for pull in (PULL, 0.0):
        cells = [f"PSEC, pull {pull:g}"]
        cells += [f"{cells[0]}, {shift}" for shift in SHIFTS if pull]
        if not any(map(lab.lacks, cells)):
            continue
        made = train_gate(lab.policy, skills, held_out, gate, pull=pull)
        with composed(lab.policy, skills) as mixer:
            mixture = LevelMixture(lab.policy, mixer, made, "parameter")
            for cell in filter(lab.lacks, cells):
                shift = cell.rpartition(", ")[2]
                task = f"arm_shifted/{shift}" if shift in SHIFTS else TASK
                lab.score(cell, task, mixture.sample)
    if lab.lacks("fixed"):
        weights = train_weights(lab.policy, skills, held_out, lab.settings(FIXED))
        print("fixed weights", weights.tolist())
        with acting(lab.policy, skills, weights):
            lab.score("fixed", TASK)
    if lab.lacks("Arrow"):
        with composed(lab.policy, skills) as mixer:
            mixer.swap(mixer.stack, router=ArrowRouter(mixer.stack))
            lab.score("Arrow", TASK)
    for level in filter(lambda level: lab.lacks(f"{level} level"), levels):
        objective = "diffusion" if level == "noise" else "action"
        made = train_level(lab.policy, skills, held_out, gate, level, objective)
        with composed(lab.policy, skills) as mixer:
            mixture = LevelMixture(lab.policy, mixer, made, level)
            lab.score(f"{level} level", TASK, mixture.sample)
    for shift in SHIFTS:
        if lab.lacks(f"detour base, {shift}"):
            lab.score(f"detour base, {shift}", f"arm_shifted/{shift}")


def run(arguments: argparse.Namespace) -> None:
    """Train and score one seed."""
    torch.set_num_threads(1)
    lab = Lab(arguments.out, arguments.seed)
    for part in arguments.part or PARTS:
        PARTS[part](lab)


PARTS = {"composition": composition, "new": new_skills, "forgetting": forgetting}


def ship(arguments: argparse.Namespace) -> None:
    """Copy the base, and pack three skills with what they reached on the task."""
    torch.set_num_threads(1)
    lab, to = Lab(arguments.out, arguments.seed), arguments.to
    shutil.copytree(arguments.out / "base", to, dirs_exist_ok=True)
    base = read_base(to, "psec/arm")
    few = head(lab.data("detour"), max(SIZES["detour"]))
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
