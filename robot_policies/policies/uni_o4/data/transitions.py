"""What the offline phase learns from: steps of episodes, checked before anything is trained.

A time limit is no terminal: the episode would have gone on, and values are carried over it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from robot_policies.interface import ConfigError

NO_TERMINAL_ROWS = 100_000  # from here on, data without one terminal is taken for a mistake
ROUNDING = 1e-4  # by which a float32 action may lie outside its range


@dataclass(frozen=True, eq=False)
class Transitions:
    """Steps of episodes, in their order.

    Attributes:
        source: Where they are from, for messages.
        observation: What the log knows, normalised: `privileged` numbers that the policy did not
            see, then what it saw. Shape (N, W).
        action: What was done, in units of the policy's action. Shape (N, A).
        reward: Shape (N,).
        next_observation: Shape (N, W).
        terminal: Whether the step ended the episode for good, such as a fall. Shape (N,).
        last: Whether the next row does not continue this one. Shape (N,).
        episode: Number of the episode. Shape (N,).
        privileged: How many numbers of an observation the policy did not see. What an action is
            worth depends on them, such as on the robot's own velocity, so critics and models see
            them (as in asymmetric actor-critic, Pinto et al. 2017).
    """

    source: str
    observation: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_observation: np.ndarray
    terminal: np.ndarray
    last: np.ndarray
    episode: np.ndarray
    privileged: int = 0

    def __len__(self) -> int:
        return len(self.reward)

    @cached_property
    def digest(self) -> str:
        """Hash of every number: what was learned from other data is never taken for this."""
        sha = hashlib.sha256()
        for name in _arrays():
            array = np.ascontiguousarray(getattr(self, name))
            sha.update(f"{name}{array.shape}{array.dtype}".encode() + array.tobytes())
        return sha.hexdigest()

    @staticmethod
    def joined(parts: Sequence["Transitions"]) -> "Transitions":
        """Return the rows of all parts, of one source, behind each other."""
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in _arrays()
        }
        return replace(parts[0], **arrays)

    def take(self, rows: np.ndarray) -> "Transitions":
        """Return some rows, by mask or index."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _arrays()})

    def seen(self) -> "Transitions":
        """Return the same rows with what the policy saw alone."""
        observation, following = self.observation, self.next_observation
        return replace(
            self,
            observation=observation[:, self.privileged :],
            next_observation=following[:, self.privileged :],
            privileged=0,
        )

    def split(self, share: float, seed: int = 0) -> tuple["Transitions", "Transitions"]:
        """Return training rows, and those of a share of the episodes held out (at least one)."""
        episodes = np.unique(self.episode)
        if len(episodes) < 2:
            raise ConfigError(f"{self.source}: one episode only, none can be held out")
        count = min(max(round(share * len(episodes)), 1), len(episodes) - 1)
        drawn = np.random.default_rng(seed).permutation(episodes)[:count]
        held = np.isin(self.episode, drawn)
        return self.take(~held), self.take(held)

    def tensors(self) -> dict[str, Tensor]:
        """Return the rows as float32 tensors, by name."""
        names = ("observation", "action", "reward", "next_observation", "terminal")
        return {name: torch.from_numpy(getattr(self, name).astype(np.float32)) for name in names}

    def returns(self, gamma: float, beyond: np.ndarray | None = None) -> np.ndarray:
        """Return discounted returns to the end of each run of rows.

        Args:
            gamma: Discount per step.
            beyond: Value of each row's next state, counted where a run of rows ends without a
                terminal; 0 if not given. Shape (N,).

        Returns:
            Shape (N,).
        """
        after = np.zeros(len(self)) if beyond is None else beyond
        returns, following = np.zeros(len(self)), 0.0
        for i in reversed(range(len(self))):
            if self.terminal[i]:
                following = 0.0
            elif self.last[i]:
                following = after[i]
            following = returns[i] = self.reward[i] + gamma * following
        return returns


def check(data: Transitions, lower: np.ndarray | float, upper: np.ndarray | float) -> Transitions:
    """Return the data, or say in one line what is wrong with it.

    Args:
        data: Any transitions.
        lower: Least action. Scalar or shape (A,).
        upper: Greatest action. Scalar or shape (A,).

    Raises:
        ConfigError: If there is nothing, lengths differ, a number is not finite, an action is
            outside its range, or many rows hold no terminal.
    """
    lengths = {name: len(getattr(data, name)) for name in _arrays()}
    if len(set(lengths.values())) > 1:
        raise ConfigError(f"{data.source}: columns of unequal length: {lengths}")
    if not len(data):
        raise ConfigError(f"{data.source}: no transition")
    for name in ("observation", "action", "reward", "next_observation"):
        array = getattr(data, name)
        if not np.isfinite(array).all():
            place = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
            raise ConfigError(f"{data.source}: {name}{place} is {array[tuple(place)]}")
    outside = (data.action < lower - ROUNDING) | (data.action > upper + ROUNDING)
    if outside.any():
        row, column = (int(i) for i in np.argwhere(outside)[0])
        low, high = (np.broadcast_to(limit, outside.shape)[0, column] for limit in (lower, upper))
        raise ConfigError(
            f"{data.source}: action[{row}, {column}] = {data.action[row, column]:.4g} is outside "
            f"[{low:.4g}, {high:.4g}], and so are {int(outside.any(1).sum())} rows"
        )
    if len(data) >= NO_TERMINAL_ROWS and not data.terminal.any():
        raise ConfigError(
            f"{data.source}: no terminal in {len(data)} rows: either nothing ever failed, which "
            f"teaches nothing about failing, or time-outs and terminals are mixed up"
        )
    return data


def _arrays() -> list[str]:
    others = ("source", "privileged")
    return [field.name for field in fields(Transitions) if field.name not in others]
