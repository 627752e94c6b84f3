"""Pairs of attempts as a LeRobotDataset: what was seen and done, and why one is preferred.

An episode is an attempt. What is known of it as one half of a pair is `preference` in its line of
`meta/recordings.jsonl`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.dataset import read_episodes
from robot_policies.data.writer import DatasetFolder
from robot_policies.interface import ConfigError
from robot_policies.interface.observation import STATE
from robot_policies.learning.elements import ACTION
from robot_policies.policies.grape.configuration_grape import GrapeConfig
from robot_policies.policies.grape.objective import Objective
from robot_policies.policies.grape.preferences import Pair
from robot_policies.policies.grape.trajectories import Trajectory

PREFERENCE = "preference"
ROLES = CHOSEN, REJECTED = "chosen", "rejected"
AXES = ("height", "width", "channels")


def write_preferences(
    root: Path, pairs: Sequence[Pair], objective: Objective, config: GrapeConfig
) -> None:
    """Write pairs into a new data set.

    Args:
        root: Its folder.
        pairs: The pairs.
        objective: By which they were ranked.
        config: Of the policy whose attempts they are.
    """
    features = _features(pairs[0].chosen, config)
    with DatasetFolder(root, 1.0 / config.dt, config.robot, features) as folder:
        for number, pair in enumerate(pairs):
            for role, attempt in zip(ROLES, (pair.chosen, pair.rejected), strict=True):
                about = {
                    "robot": config.robot,
                    "fps": 1.0 / config.dt,
                    "interrupted": False,
                    PREFERENCE: {
                        "pair": number,
                        "role": role,
                        "margin": pair.margin,
                        "state": attempt.start,
                        "instruction": attempt.steps.task[0],
                        "success": attempt.success,
                        "touched": bool(attempt.touch.any()),
                        "answers": len(attempt),
                        "log_probability": float(attempt.log_probability.sum()),
                        "external": objective.external(attempt),
                        "costs": objective.costs(attempt),
                    },
                }
                folder.add(_rows(attempt, config.camera), attempt.steps.task[0], about)


def read_preferences(root: Path) -> list[dict[str, dict[str, Any]]]:
    """Return what is known of each pair's `chosen` and `rejected` attempt, in their order.

    Raises:
        ConfigError: If the data set holds something else than whole pairs.
    """
    pairs: dict[Any, dict[str, dict[str, Any]]] = {}
    for episode in read_episodes(root):
        known = episode.get(PREFERENCE)
        if not isinstance(known, Mapping) or known.get("role") not in ROLES:
            number = episode["episode_index"]
            raise ConfigError(f"{root}: episode {number} is no half of a pair of attempts")
        pairs.setdefault(known.get("pair"), {})[known["role"]] = {**episode, **known}
    for number, pair in pairs.items():
        if set(pair) != set(ROLES):
            raise ConfigError(f"{root}: pair {number} has {sorted(pair)}, expected {list(ROLES)}")
    if not pairs:
        raise ConfigError(f"{root} holds no pairs of attempts")
    return list(pairs.values())


def _features(attempt: Trajectory, config: GrapeConfig) -> dict[str, dict[str, Any]]:
    _, channels, height, width = attempt.steps.picture.shape
    features: dict[str, dict[str, Any]] = {
        name: {"dtype": "float32", "shape": [len(elements)], "names": list(elements)}
        for name, elements in config.element_names.items()
    }
    for name, units in config.element_units.items():  # of a robot that is known
        features[name]["unit"] = list(units)
    picture = {"dtype": "video", "shape": [height, width, channels], "names": list(AXES)}
    return {**features, config.camera: picture}


def _rows(attempt: Trajectory, camera: str) -> Iterator[dict[str, np.ndarray]]:
    steps = attempt.steps
    for picture, state, action in zip(steps.picture, steps.state, steps.action, strict=True):
        yield {
            camera: picture.permute(1, 2, 0).numpy(),
            STATE: state.numpy(),
            ACTION: action.numpy(),
        }
