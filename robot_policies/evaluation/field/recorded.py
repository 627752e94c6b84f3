"""Trials that were recorded before, whoever ran them: data sets with a column of success.

Which trials began alike is not known, so the arms are compared by their rates and not in pairs.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.columns import SUCCESS
from robot_policies.data.dataset import file_of, listed_episodes, read_info
from robot_policies.data.parquet import EPISODE_INDEX, read_columns
from robot_policies.data.reading import open_dataset
from robot_policies.evaluation.episode import Job, Outcome
from robot_policies.evaluation.statistics.estimates import interval
from robot_policies.evaluation.statistics.families import holm
from robot_policies.evaluation.statistics.unpaired import compare_rates

TASK, BACKEND = "recorded trials", "recorded"


def recorded_outcomes(folders: Mapping[str, Path]) -> list[Outcome]:
    """Return the outcome of each recorded episode; it succeeded if its last row did.

    Args:
        folders: LeRobotDataset v3 folders by the name of the policy whose trials they are.

    Raises:
        ConfigError: If a folder is no such data set, or has no column `next.success`.
    """
    found: list[Outcome] = []
    for policy, root in folders.items():
        recorded, info = open_dataset(root), read_info(root)
        recorded.elements(SUCCESS)  # says what is missing
        for episode in listed_episodes(root, info):
            path = file_of(root, info["data_path"], episode, "data")
            index = episode[EPISODE_INDEX]
            rows = read_columns(path, {SUCCESS: recorded.features[SUCCESS]}, index)[SUCCESS]
            success = bool(np.ravel(rows)[-1])
            # No two trials have one seed, so none are taken for a pair.
            job = Job(policy, TASK, BACKEND, len(found), {"episode": index})
            ended = "success" if success else "failure"
            duration = episode["length"] / recorded.fps
            found.append(Outcome(job, success, {}, duration, ended))
    return found


def unpaired(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the comparisons of all policies by their rates, as `comparisons` returns pairs."""
    counts: dict[str, list[bool]] = {}
    for outcome in outcomes:
        counts.setdefault(outcome.job.policy, []).append(outcome.success)
    found = []
    for one, other in combinations(counts, 2):
        a, b = ((sum(counts[name]), len(counts[name])) for name in (one, other))
        result = compare_rates(a=a, b=b)
        about = {"a": one, "b": other, "task": TASK, "backend": BACKEND, "condition": ""}
        found.append(
            {
                **about,
                "metric": "success",
                "test": result.test,
                "p": result.p,
                "difference": result.difference,
                "ci95": interval(result.low, result.high),
            }
        )
    for entry, p in zip(found, holm([entry["p"] for entry in found]), strict=True):
        entry["p_holm"] = p
    return found
