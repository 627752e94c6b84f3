"""Episodes as tensors: clouds of either kind, the expert's answers, who teaches what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robot_policies.interface import ConfigError
from robot_policies.interface.frames import rotation_about
from robot_policies.interface.gravity import UP
from robot_policies.policies.dressing.configuration_dressing import DressingConfig
from robot_policies.policies.dressing.guided import Moment, load_moments
from robot_policies.policies.dressing.views import CameraView, whole_view


@dataclass(frozen=True, eq=False)
class Lessons:
    """Decisions to learn from.

    Attributes:
        whole: What nothing hides. Shape (n, points, 7).
        camera: What the camera saw, with its faults, several times. Shape (n, views, points, 7).
        action: The expert's answers in [-1, 1], x along the gripper's heading. Shape (n, 6).
        group: Which teacher's. Shape (n,).
    """

    whole: Tensor
    camera: Tensor
    action: Tensor
    group: Tensor

    @classmethod
    def joined(cls, parts: Sequence["Lessons"]) -> "Lessons":
        """Return the decisions of several after each other."""
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def of_group(self, group: int) -> "Lessons":
        """Return the decisions of one teacher."""
        rows = self.group == group
        return Lessons(self.whole[rows], self.camera[rows], self.action[rows], self.group[rows])


def read_lessons(
    folder: Path,
    config: DressingConfig,
    radii: Mapping[str, float],
    group_of_seed: Callable[[int], int],
    views: int,
    seed: int,
    name: str,
) -> Lessons:
    """Read every episode of a round.

    Args:
        folder: Of the episodes, `<round>-<seed>.npz`.
        config: Of the network.
        radii: Of the arm's parts. [m]
        group_of_seed: Which teacher an episode's seed belongs to.
        views: Randomised clouds of each decision.
        seed: Of the randomisation.
        name: Of the round.

    Raises:
        ConfigError: If there is no episode.
    """
    paths = sorted(folder.glob(f"{name}-*.npz"))
    if not paths:
        raise ConfigError(f"{folder}: no episodes '{name}'")
    parts = [_episode(path, config, radii, views, seed) for path in paths]
    whole, camera, action = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    owners = [group_of_seed(_number(path)) for path in paths]
    group = np.repeat(owners, [len(part[2]) for part in parts])
    return Lessons(
        torch.from_numpy(whole),
        torch.from_numpy(camera),
        torch.from_numpy(action),
        torch.from_numpy(group),
    )


def _episode(
    path: Path, config: DressingConfig, radii: Mapping[str, float], views: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return whole clouds, camera clouds and answers of an episode."""
    limit = np.array([config.translation] * 3 + [config.rotation] * 3)
    rng, view = np.random.default_rng([seed, _number(path)]), CameraView(config)
    moments = load_moments(path)
    return (
        np.array([whole_view(moment, radii, config) for moment in moments]),
        np.array([view.faulty(moment, rng, views) for moment in moments]),
        np.clip([_ahead(moment) / limit for moment in moments], -1.0, 1.0).astype(np.float32),
    )


def _ahead(moment: Moment) -> np.ndarray:
    """Return the expert's answer as the gripper sees it: R(heading)^T v for both of its halves."""
    turn = rotation_about(UP, moment.heading)
    return np.concatenate([moment.answer[:3] @ turn, moment.answer[3:] @ turn])


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])
