"""Attempts that were recorded before, by whoever: a LeRobotDataset with labels of success.

Nobody says where things were, so an objective can ask for success and likelihood alone. Attempts
are compared that began in the same state, where the data says so (`align` writes it), and
otherwise those that had the same instruction, as the paper does on its physical robot.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.datasets import LeRobotDataset
from torch import Tensor

from robot_policies.data.dataset import read_episodes
from robot_policies.data.reading import open_dataset
from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import STATE, TASK
from robot_policies.interface.observation import words as words_of
from robot_policies.learning.elements import ACTION
from robot_policies.policies.checkpoint import read_checkpoint
from robot_policies.policies.grape.likelihood import known_likelihood
from robot_policies.policies.grape.preference_dataset import PREFERENCE
from robot_policies.policies.grape.steps import UINT8_MAX, Steps
from robot_policies.policies.grape.trajectories import Trajectory

SUCCESS = "next.success"


def recorded_attempts(root: Path, folder: Path) -> list[Trajectory]:
    """Return the episodes of a data set as attempts, with a policy's likelihood of each.

    Args:
        root: A LeRobotDataset v3 folder.
        folder: Checkpoint of the policy, whose elements, rate and words the data must have.

    Raises:
        ConfigError: If the data is of other elements, another rate, or says nothing of success.
    """
    checkpoint = read_checkpoint(folder, "cpu")
    policy, preprocessor = known_likelihood(checkpoint), checkpoint.preprocessor
    config, recorded = policy.config, open_dataset(root)
    for name in (STATE, ACTION, config.camera):
        if name not in recorded.features:
            raise ConfigError(f"{root}: no '{name}'.{suggestion(name, recorded.features)}")
    for name in (STATE, ACTION):
        names, units = config.element_names.get(name, []), config.element_units.get(name, [])
        recorded.require_same(name, names, units)
    if config.dt:
        recorded.require_rate(1.0 / config.dt)
    data: Any = LeRobotDataset(root.name, root=root)
    attempts: list[Trajectory] = []
    starts: dict[Any, int] = {}
    for episode in read_episodes(root):
        index = episode["episode_index"]
        about = data.meta.episodes[index]
        rows = [data[i] for i in range(about["dataset_from_index"], about["dataset_to_index"])]
        success = _succeeded(rows[-1], episode, root)
        task = str(rows[0][TASK])
        _check_words(task, config.words, f"{root}: episode {index}")
        key = episode.get(PREFERENCE, {}).get("state", task)
        steps = Steps(
            picture=torch.stack([_bytes(row[config.camera]) for row in rows]),
            state=torch.stack([row[STATE].float() for row in rows]),
            action=torch.stack([row[ACTION].float() for row in rows]),
            task=[task] * len(rows),
            places=torch.empty(0),
        )
        batch = preprocessor(steps.batch(torch.arange(len(steps)), config.camera))
        tokens = policy.tokens_of(batch[ACTION])
        with torch.no_grad():
            likely = policy.log_likelihood(batch, tokens).sum(-1)
        start = starts.setdefault(key, len(starts))
        touch = np.zeros(len(steps), bool)
        attempts.append(Trajectory(start, steps, tokens, likely, {}, touch, success, {}))
    return attempts


def _bytes(picture: Tensor) -> Tensor:
    return picture.mul(UINT8_MAX).round().to(torch.uint8)


def _succeeded(last: Mapping[str, Any], episode: Mapping[str, Any], root: Path) -> bool:
    known = episode.get(PREFERENCE, {})
    if SUCCESS in last:
        return bool(last[SUCCESS])
    if "success" in known:
        return bool(known["success"])
    raise ConfigError(
        f"{root}: episode {episode['episode_index']} does not say whether it succeeded; a column "
        f"'{SUCCESS}' is true in the last row of those that did"
    )


def _check_words(task: str, known: list[str], where: str) -> None:
    for word in words_of(task):
        if known and word not in known:
            raise ConfigError(f"{where}: no word '{word}' in the policy.{suggestion(word, known)}")
