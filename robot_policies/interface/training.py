"""Where a policy is trained: many copies of one robot and its world, stepped together."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

Features = Mapping[str, np.ndarray]


class TrainingEnvironment(Protocol):
    """`N` robots; each restarts within the step that ends its episode.

    Attributes:
        num_envs: Robots.
    """

    num_envs: int

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Features, dict[str, Any]]:
        """Return the first features, each (N, width), and information.

        Args:
            seed: Restarts the sources of chance if given.
            options: `steps`: the time limit of all episodes from now on.
        """
        ...

    def step(
        self, actions: np.ndarray
    ) -> tuple[Features, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Move all robots by one control step.

        Args:
            actions: Shape (N, width).

        Returns:
            Features (N, width); reward, terminated and truncated (N,); info with `final_obs`, the
            features before any restart, if an episode ended.
        """
        ...

    def set_difficulty(self, share: float) -> None:
        """Move the reward between its early (0) and its final (1) form."""
        ...

    def snapshot(self) -> tuple[Mapping[str, np.ndarray], str]:
        """Return all that changes over time: arrays, and the source of chance as text."""
        ...

    def restore(self, arrays: Mapping[str, np.ndarray], chance: str) -> object:
        """Continue where a snapshot was taken.

        Raises:
            ConfigError: If the snapshot is of another number of robots.
        """
        ...

    def close(self) -> None:
        """End its threads and processes."""
        ...
