"""The loop of GRAPE: attempts, ranking, pairs, optimisation, and again from what came of it.

Every iteration is a folder that is whole or not there, so a run that was stopped goes on with the
first that is missing. The reference of an iteration is the policy that made its attempts. What all
of them added is written as a skill of the first policy, too.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_policies.documents import read_json
from robot_policies.interface.schema import build
from robot_policies.policies.checkpoint import read_checkpoint
from robot_policies.policies.grape.alignment import align
from robot_policies.policies.grape.likelihood import known_likelihood
from robot_policies.policies.grape.objective import Objective
from robot_policies.policies.grape.preference_dataset import write_preferences
from robot_policies.policies.grape.preferences import Pair, make_pairs
from robot_policies.policies.grape.settings import AlignmentSettings
from robot_policies.policies.grape.skill import skill_between
from robot_policies.policies.grape.trajectories import Trajectory
from robot_policies.skills.package.adapter import write_adapter

SUMMARY = "alignment.json"
PREFERENCES = "preferences"  # the pairs, as a data set
OWN = (SUMMARY, PREFERENCES, "README.md", "skills")  # of one checkpoint, not of the next
SKILL = "skill"  # beside the iterations, all of them as one addition to the first policy

Collect = Callable[[Path, int], Sequence[Trajectory]]  # checkpoint, iteration -> attempts
Pairing = Callable[[Sequence[Trajectory], Objective], Sequence[Pair]]


@dataclass(frozen=True)
class Iteration:
    """What one iteration did.

    Attributes:
        folder: The checkpoint it made.
        attempts: How many there were.
        pairs: How many of them were paired.
        success: Share of the attempts that succeeded.
        collision: Share that touched the obstacle.
        drift: Of the log-probability of chosen and rejected trajectories in the last epoch.
    """

    folder: Path
    attempts: int
    pairs: int
    success: float
    collision: float
    drift: Mapping[str, float]


def iterate(
    base: Path,
    out: Path,
    objective: Objective,
    collect: Collect,
    settings: AlignmentSettings,
    count: int,
    pair: Pairing = make_pairs,
    report: Callable[[int], None] = lambda number: None,
) -> list[Iteration]:
    """Align a policy; iterations that are there already are kept.

    Args:
        base: Checkpoint to begin with.
        out: Folder of the iterations.
        objective: What is preferred.
        collect: Makes attempts of a checkpoint.
        settings: Of the optimisation.
        count: Iterations.
        pair: Says which attempts are compared.
        report: Told the number of each iteration that is done.

    Raises:
        ConfigError: If no state gives a pair, or the base is another kind of policy.
    """
    first, done = base, []
    for number in range(1, count + 1):
        folder = out / f"iteration_{number}"
        if not folder.exists():
            attempts = collect(base, number)
            _iterate_once(base, folder, objective, attempts, settings, pair)
        done.append(_read(folder))
        report(number)
        base = folder
    before, after = (known_likelihood(read_checkpoint(folder, "cpu")) for folder in (first, base))
    adapter = skill_between(before, after, settings.rank * count)
    write_adapter(adapter, out / SKILL, first.name)
    return done


def _iterate_once(
    base: Path,
    folder: Path,
    objective: Objective,
    attempts: Sequence[Trajectory],
    settings: AlignmentSettings,
    pair: Pairing,
) -> None:
    checkpoint = read_checkpoint(base, "cpu")
    policy = known_likelihood(checkpoint)
    pairs = pair(attempts, objective)
    log: list[Mapping[str, float]] = []
    align(policy, checkpoint.preprocessor, pairs, objective, settings, attempts, log.append)
    last = log[-max(1, len(log) // settings.epochs) :]
    summary = {
        "attempts": len(attempts),
        "pairs": len(pairs),
        "success": float(np.mean([attempt.success for attempt in attempts])),
        "collision": float(np.mean([attempt.touch.any() for attempt in attempts])),
        "drift": {key: float(np.mean([entry[key] for entry in last])) for key in last[0]},
    }
    work = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(work, ignore_errors=True)
    # Words, statistics and names stay those of the base.
    shutil.copytree(base, work, ignore=shutil.ignore_patterns(*OWN))
    policy.save_pretrained(work)
    write_preferences(work / PREFERENCES, pairs, objective, policy.config)
    (work / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    work.rename(folder)


def _read(folder: Path) -> Iteration:
    summary = read_json(folder / SUMMARY)
    return build(Iteration, summary, str(folder / SUMMARY), folder=folder)
