"""Figures of PSEC on the planar arm: new skills, forgetting, composition, another arm.

    python benchmarks/psec.py data  --out DIR [--workers 2]
    python benchmarks/psec.py run   --out DIR --seed 0      (and 1, 2; goes on where it stopped)
    python benchmarks/psec.py table --out DIR

`data` lets the scripted demonstrators record: 400 episodes of a mixed crowd (straight, left,
right, shy, noisy; failures included) for the base and the skills `fast` (weighted by reward) and
`careful` (by cost); and, anew for each seed, demonstrations of each new task. `run` trains and
scores everything for one seed on the same 300 trials in MuJoCo, many arms at once. A gate is
trained on episodes that trained no skill. Nothing is chosen by the scores.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from psec_lab import (
    SCALE,
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
from robot_policies.policies.psec.train import (
    composed,
    train_gate,
    train_network,
    train_skill,
    train_weights,
)
from robot_policies.skills.routing import ArrowRouter

SIZES = (5, 10, 30, 100)  # demonstrations of a new skill
FEW, HELD_OUT = 10, 30  # demonstrations of a library's newest skill, and of the gates
SHIFTS = ("mass", "damping", "gain")
NEW = {
    "skill": SKILL,
    "full matrix": FitSettings(steps=1000, lr=1e-3),
    "fine-tuning": FitSettings(steps=1000, lr=1e-3),
    "scratch": FitSettings(steps=1500, lr=1e-3),
}
GATE = FitSettings(steps=700, lr=1e-3)
FIXED = FitSettings(steps=500, lr=2e-2)
PULL = 0.05  # of a gate towards even weights


def new_skills(lab: Lab) -> None:
    """Learn to orbit from few demonstrations, in four ways."""
    data, task = lab.data("orbit"), f"{TASK}/orbit"
    if lab.lacks("orbit base"):
        lab.score("orbit base", task)
    for size in SIZES:
        first = head(data, size)
        for how, settings in NEW.items():
            cell, settings = f"orbit {how} {size}", lab.settings(settings)
            if not lab.lacks(cell):
                continue
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
    skills = {name: lab.skill(name, lambda n=name: learn(lab, n, HELD_OUT)) for name in names}
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
        if name != "detour" and lab.lacks(f"{name} skill {HELD_OUT}"):
            with acting(lab.policy, {name: skills[name]}, torch.ones(1)):
                lab.score(f"{name} skill {HELD_OUT}", f"{TASK}/{name}")


def composition(lab: Lab) -> None:
    """Compose skills for the detour, at every level, and on the shifted arms."""
    skills = {
        "fast": lab.skill("fast", lambda: weighted(lab, "reward")),
        "careful": lab.skill("careful", lambda: weighted(lab, "safety")),
        "new": lab.skill("new", lambda: learn(lab, "detour", FEW)),
    }
    held_out = tail(lab.data("detour"), HELD_OUT)
    gate, levels = lab.settings(GATE), ("noise", "action")
    if lab.lacks("detour base"):
        lab.score("detour base", TASK)
    for name, adapter in skills.items():
        if lab.lacks(f"detour {name}"):
            with acting(lab.policy, {name: adapter}, torch.ones(1)):
                lab.score(f"detour {name}", TASK)
    for library in (("fast", "careful"), ("fast", "careful", "new")):
        chosen, said = {name: skills[name] for name in library}, "+".join(library)
        if lab.lacks(f"{said} fixed"):
            weights = train_weights(lab.policy, chosen, held_out, lab.settings(FIXED))
            print(said, "fixed weights", weights.tolist())
            with acting(lab.policy, chosen, weights):
                lab.score(f"{said} fixed", TASK)
        if lab.lacks(f"{said} Arrow"):
            with composed(lab.policy, chosen) as mixer:
                mixer.swap(mixer.stack, router=ArrowRouter(mixer.stack))
                lab.score(f"{said} Arrow", TASK)
        for pull in (0.0, PULL):
            cells = [f"{said} PSEC, pull {pull:g}"]
            cells += [f"{cells[0]}, {shift}" for shift in SHIFTS if pull and len(library) == 3]
            if not any(map(lab.lacks, cells)):
                continue
            made = train_gate(lab.policy, chosen, held_out, gate, pull=pull)
            with composed(lab.policy, chosen) as mixer:
                mixture = LevelMixture(lab.policy, mixer, made, "parameter")
                for cell in filter(lab.lacks, cells):
                    shift = cell.rpartition(", ")[2]
                    task = f"arm_shifted/{shift}" if shift in SHIFTS else TASK
                    lab.score(cell, task, mixture.sample)
        for level in filter(lambda level: lab.lacks(f"{said} {level} level"), levels):
            objective = "diffusion" if level == "noise" else "action"
            made = train_level(lab.policy, chosen, held_out, gate, level, objective)
            with composed(lab.policy, chosen) as mixer:
                mixture = LevelMixture(lab.policy, mixer, made, level)
                lab.score(f"{said} {level} level", TASK, mixture.sample)
    for shift in SHIFTS:
        if lab.lacks(f"detour base, {shift}"):
            lab.score(f"detour base, {shift}", f"arm_shifted/{shift}")


def run(arguments: argparse.Namespace) -> None:
    """Train and score one seed."""
    torch.set_num_threads(1)
    lab = Lab(arguments.out, arguments.seed)
    for part in (composition, new_skills, forgetting):
        part(lab)


def table(arguments: argparse.Namespace) -> None:
    """Print each cell: rate over all trials (Wilson), rates of the seeds, collisions."""
    found = sorted(arguments.out.glob("seed*/scores.json"))
    scores = [json.loads(path.read_text()) for path in found]
    print("| cell | success [95 %] | of each seed | mean of seeds [95 %] | collisions |")
    print("|---" * 5 + "|")
    for cell in scores[0]:
        rows = [score[cell] for score in scores if cell in score]
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
    parser.add_argument("stage", choices=("data", "run", "table"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.stage == "data":
        record(arguments.out, arguments.workers)
    else:
        {"run": run, "table": table}[arguments.stage](arguments)


if __name__ == "__main__":
    main()
