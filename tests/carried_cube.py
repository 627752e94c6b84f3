"""A made-up attempt to carry a cube past an obstacle."""

import numpy as np
import torch

from robot_policies.policies.grape.steps import Steps
from robot_policies.policies.grape.trajectories import Trajectory

POINTS = frozenset({"tip", "cube", "pad", "obstacle"})
PAD, OBSTACLE = [0.2, 0.1, 0.0], [0.2, 0.0, 0.035]


def attempt(
    beside: float, start: int = 0, success: bool = True, log_probability: float = -1.0
) -> Trajectory:
    """Carry the cube along y, so far beside the obstacle, and put it down."""
    y = np.linspace(-0.1, 0.1, 11)
    x = 0.2 + beside * np.cos(np.pi * y / 0.2)
    cube = np.stack([x, y, np.where(y > 0.09, 0.014, 0.05)], 1)
    count = len(cube)
    still = {"pad": PAD, "obstacle": OBSTACLE}
    points = {name: np.tile(point, (count, 1)) for name, point in still.items()}
    steps = Steps(
        picture=torch.zeros(count, 3, 4, 4, dtype=torch.uint8),
        state=torch.zeros(count, 6),
        action=torch.zeros(count, 7),
        task=["put it there"] * count,
        places=torch.empty(0),
    )
    return Trajectory(
        start=start,
        steps=steps,
        tokens=torch.zeros(count, 4, dtype=torch.long),
        log_probability=torch.full((count,), log_probability),
        points={**points, "cube": cube, "tip": cube},
        touch=np.abs(beside) < 0.02 * (np.abs(y) < 0.03),
        success=success,
        metrics={},
    )
