"""Steps of trajectories held in memory, and what the network takes of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robot_policies.interface import ConfigError
from robot_policies.interface.observation import ENVIRONMENT_STATE, STATE, TASK
from robot_policies.learning.elements import ACTION

UINT8_MAX = 255.0  # LeRobot's images are floats in [0, 1]


@dataclass(frozen=True, eq=False)
class Steps:
    """`N` steps, one after the other, in recorded units.

    Attributes:
        picture: Shape (N, 3, H, W), uint8.
        state: Shape (N, S).
        action: Shape (N, W).
        task: Instruction of each step. Length N.
        places: Where things are, for the keypoints; empty if nobody says. Shape (N, P). [m]
    """

    picture: Tensor
    state: Tensor
    action: Tensor
    task: Sequence[str]
    places: Tensor

    def __post_init__(self) -> None:
        """Refuse what would teach nonsense."""
        count = len(self.task)
        for field in fields(self):
            length = len(getattr(self, field.name))
            if length != count and not (field.name == "places" and length == 0):
                raise ConfigError(f"steps: {length} of '{field.name}', {count} instructions")
        for name in ("state", "action", "places"):
            if not torch.isfinite(getattr(self, name)).all():
                raise ConfigError(f"steps: '{name}' is not finite")

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.task)

    def batch(self, rows: Tensor, camera: str) -> dict[str, Any]:
        """Return LeRobot's batch of some steps, before the preprocessor.

        Args:
            rows: Their numbers. Shape (B,).
            camera: Name of the picture.
        """
        made: dict[str, Any] = {
            STATE: self.state[rows],
            camera: self.picture[rows].float().div_(UINT8_MAX),
            ACTION: self.action[rows],
            TASK: [self.task[row] for row in rows.tolist()],
        }
        if len(self.places):
            made[ENVIRONMENT_STATE] = self.places[rows]
        return made


def joined(parts: Sequence[Steps]) -> Steps:
    """Return steps after each other."""
    return Steps(
        picture=torch.cat([part.picture for part in parts]),
        state=torch.cat([part.state for part in parts]),
        action=torch.cat([part.action for part in parts]),
        task=[task for part in parts for task in part.task],
        places=torch.cat([part.places for part in parts]),
    )


def as_picture(image: np.ndarray) -> Tensor:
    """Return a camera's image (H, W, 3) the way it is kept here, (3, H, W)."""
    return torch.tensor(image).permute(2, 0, 1).contiguous()
