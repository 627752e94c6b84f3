"""Demonstrations of `tabletop_obstacle`: what a scripted expert sees and does."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.interface import ArraySpec, Observation, ObservationSpec, Simulator
from robot_policies.interface.observation import ENVIRONMENT_STATE, STATE, TASK
from robot_policies.policies.grape.steps import Steps

TASK_NAME, TOP, NOISE = "tabletop_obstacle", "observation.images.top", 0.004
# Half of the demonstrations begin anywhere on the table: variant and first seed.
KINDS: Mapping[str, tuple[str, int]] = {
    "normal": ("", 100_000),
    "anywhere": ("/anywhere", 200_000),
}


class Watched:
    """The expert, shown what an imitator will be shown, and its rows."""

    def __init__(self, expert: Any, backend: Simulator) -> None:
        """Keep nothing yet."""
        self._expert = expert
        picture = ArraySpec(TOP, (96, 96, 3), np.dtype(np.uint8))
        told = {TOP: picture, ENVIRONMENT_STATE: backend.provides[ENVIRONMENT_STATE]}
        seen = {**dict(expert.observation_spec), **told}
        self.observation_spec = ObservationSpec(seen, needs_task=True)

    def __getattr__(self, name: str) -> Any:
        """Be the expert otherwise."""
        return getattr(self._expert, name)

    def reset(self, seed: int) -> None:
        """Forget the episode."""
        self._expert.reset(seed)
        self.rows: list[tuple[Any, ...]] = []

    def act(self, observation: Observation) -> Any:
        """Answer as the expert does, and keep the row."""
        chunk = self._expert.act(observation)
        seen = [observation[name] for name in (TOP, STATE, ENVIRONMENT_STATE, TASK)]
        self.rows.append((*seen, chunk.values[0]))
        return chunk


def demonstrate(out: Path, kind: str, episodes: int) -> None:
    """Write successful demonstrations of one kind of start."""
    path = out / f"demos_{kind}.npz"
    if path.exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    variant, seed = KINDS[kind]
    task, robot = load_task(TASK_NAME + variant), load_robot("so101")
    robot = replace(robot, cameras=tuple(c for c in robot.cameras if TOP.endswith(c.name)))
    backend = make_backend("mujoco", robot, task.scene)
    assert isinstance(backend, Simulator)
    backend.connect()
    expert: Any = Watched(task.expert(backend, NOISE), backend)
    kept: list[tuple[Any, ...]] = []
    while episodes:
        result = run_episode(backend, expert, task, seed=seed)
        if result.metrics["success"] and not result.refusals:
            kept += [(*row, seed) for row in expert.rows]
            episodes -= 1
        seed += 1
    backend.close()
    names = ("picture", "state", "places", "task", "action", "episode")
    columns = dict(zip(names, map(np.array, zip(*kept, strict=True)), strict=True))
    part = path.with_suffix(".part.npz")
    np.savez(part, **columns)
    part.rename(path)


def load_demonstrations(out: Path) -> Steps:
    """Return the steps of all demonstrations."""
    parts = [np.load(out / f"demos_{kind}.npz") for kind in KINDS]

    def column(name: str) -> np.ndarray:
        return np.concatenate([part[name] for part in parts])

    pictures = torch.from_numpy(column("picture")).permute(0, 3, 1, 2).contiguous()
    numbers = {n: torch.from_numpy(column(n)).float() for n in ("state", "action", "places")}
    return Steps(pictures, **numbers, task=[str(task) for task in column("task")])
