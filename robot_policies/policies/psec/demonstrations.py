"""Training data of skills: normalised by the base's statistics, with reward and cost labels."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from lerobot.datasets import LeRobotDataset
from torch import Tensor

from robot_policies.catalog import load_robot
from robot_policies.data.reading import open_dataset
from robot_policies.interface import ConfigError
from robot_policies.learning.elements import ACTION
from robot_policies.policies.psec.modeling_psec import PsecPolicy

REWARD, COST = "next.reward", "next.cost"  # of the step that begins with the observation


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """Steps of episodes, one after the other.

    Attributes:
        observation: Normalised. Shape (N, O).
        action: Normalised, from this step on. Shape (N, T, A).
        valid: False where the episode had ended. Shape (N, T).
        episode: Number of the episode. Shape (N,).
        reward: Shape (N,); empty if there is none.
        cost: Shape (N,); empty if there is none.
    """

    observation: Tensor
    action: Tensor
    valid: Tensor
    episode: Tensor
    reward: Tensor
    cost: Tensor

    def __post_init__(self) -> None:
        """Refuse data that would teach nonsense."""
        if not len(self.observation):
            raise ConfigError("demonstrations: there is not a single step")
        steps = len(self.observation)
        for field in fields(self):
            tensor = getattr(self, field.name)
            where = f"demonstrations: {field.name}"
            if len(tensor) not in (0, steps):
                raise ConfigError(f"{where} of {len(tensor)} steps, there are {steps}")
            if not len(tensor):
                continue
            wrong = ~torch.isfinite(tensor.reshape(len(tensor), -1)).all(-1)
            if wrong.any():
                raise ConfigError(f"{where} of step {int(wrong.nonzero()[0])} is not finite")

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.observation)

    @property
    def last(self) -> Tensor:
        """Whether a step is the last of its episode. Shape (N,)."""
        following = torch.cat([self.episode[1:], self.episode[-1:] + 1])
        return self.episode != following

    @property
    def episodes(self) -> int:
        """How many episodes there are."""
        return int(self.last.sum())

    @property
    def digest(self) -> str:
        """Digest of all values."""
        digest = hashlib.sha256()
        for field in fields(self):
            tensor = getattr(self, field.name).cpu().contiguous()
            digest.update(f"{field.name} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
        return f"sha256:{digest.hexdigest()}"

    def split(self, share: float) -> tuple["Demonstrations", "Demonstrations"]:
        """Return the first episodes, and the rest: one part for a skill, one for its router.

        A router trained on its newest skill's own demonstrations leans on that skill alone.

        Args:
            share: Of the episodes, that go to the first part; each part gets at least one.
        """
        numbers = self.episode.unique()
        if len(numbers) < 2:
            raise ConfigError("demonstrations: one episode cannot be split")
        count = min(max(round(share * len(numbers)), 1), len(numbers) - 1)
        first = torch.isin(self.episode, numbers[:count])
        return self._rows(first), self._rows(~first)

    def _rows(self, chosen: Tensor) -> "Demonstrations":
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Demonstrations(
            **{name: part[chosen] if len(part) else part for name, part in parts.items()}
        )


def make_demonstrations(
    policy: PsecPolicy,
    preprocessor: Any,
    features: Mapping[str, Tensor],
    episode: Tensor,
    reward: Tensor | None = None,
    cost: Tensor | None = None,
) -> Demonstrations:
    """Normalise recorded steps and cut their actions into chunks.

    Args:
        policy: The base.
        preprocessor: The base's own.
        features: Observations and `action`, in recorded units. Each (N, width).
        episode: Shape (N,), rising.
        reward: Shape (N,).
        cost: Shape (N,).
    """
    batch = preprocessor(dict(features))
    observation = policy.observe(batch).float()
    steps = torch.arange(len(episode)).unsqueeze(1) + torch.arange(policy.config.chunk_size)
    inside = steps.clamp_max(len(episode) - 1)
    valid = (steps < len(episode)) & (episode[inside] == episode.unsqueeze(1))
    none = torch.empty(0)
    return Demonstrations(
        observation=observation.cpu(),
        action=batch[ACTION].float().cpu()[inside],
        valid=valid,
        episode=episode,
        reward=none if reward is None else reward.float(),
        cost=none if cost is None else cost.float(),
    )


def read_demonstrations(root: Path, policy: PsecPolicy, preprocessor: Any) -> Demonstrations:
    """Read a LeRobot data set; `next.reward` and `next.cost` are taken where they are.

    Raises:
        ConfigError: If there is no data set, or it is of other features, joints, units, another
            rate or another robot than the base.
    """
    recorded, config = open_dataset(root), policy.config
    robot = load_robot(config.robot) if config.robot else None
    if robot:
        recorded.require_robot(robot.name)
    if config.dt:
        recorded.require_rate(1.0 / config.dt)
    wanted = [*(config.input_features or {}), ACTION]
    order = {}
    for name in wanted:
        known, units = config.element_names.get(name, []), config.element_units.get(name, [])
        if units:  # the base's statistics are of its own units
            order[name] = recorded.vector(name, known, units, robot, convert=False).index
        else:
            recorded.require_same(name, known, units)
    data = LeRobotDataset(root.name, root=root)
    extra = [name for name in (REWARD, COST) if name in data.features]
    table = data.hf_dataset.select_columns([*wanted, *extra, "episode_index"]).with_format("torch")
    columns = {name: torch.as_tensor(table[:][name]) for name in table.column_names}
    return make_demonstrations(
        policy,
        preprocessor,
        {name: columns[name][:, order.get(name, ...)] for name in wanted},
        columns["episode_index"],
        columns[REWARD].flatten() if REWARD in columns else None,
        columns[COST].flatten() if COST in columns else None,
    )
