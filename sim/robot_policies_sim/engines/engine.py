"""What an engine has to do for the simulator that all of them share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from robot_policies.interface import RobotSpec, RobotState
from robot_policies.interface.robot_parts import Camera, Gains
from robot_policies_sim.engines.cameras import Picture
from robot_policies_sim.scene.conditions import EpisodeConditions


class Engine(ABC):
    """One robot and its world in one physics engine.

    Attributes:
        name: Engine name, for messages.
    """

    name: ClassVar[str]

    @abstractmethod
    def render(self, width: int, height: int) -> np.ndarray:
        """Return a picture of the scene for people. Shape (height, width, 3), uint8 RGB."""

    @abstractmethod
    def _look(self, camera: Camera) -> Picture:
        """Draw what a camera sees now; the state was measured before."""

    @abstractmethod
    def _load(self, robot: RobotSpec, scene: Mapping[str, Any]) -> None:
        """Build the world."""

    @abstractmethod
    def _place(self, conditions: EpisodeConditions) -> None:
        """Put base, joints and objects where the episode starts."""

    @abstractmethod
    def _link_pose(self, link: str) -> np.ndarray:
        """Return position and quaternion x, y, z, w of a link's frame. Shape (7,)."""

    @abstractmethod
    def _positions(self) -> np.ndarray:
        """Return the joint positions. Shape (n,). [rad], [m]."""

    @abstractmethod
    def _track(self, target: np.ndarray, gains: Gains) -> None:
        """Set what the joint servo tracks from the next step on."""

    @abstractmethod
    def _push(self, velocity: np.ndarray) -> None:
        """Add to the velocity of the base, world frame [m/s]."""

    @abstractmethod
    def _move(self, name: str, pose: np.ndarray) -> None:
        """Put an object somewhere: position and quaternion x, y, z, w. Shape (7,)."""

    @abstractmethod
    def _step(self) -> None:
        """Run one servo and physics step."""

    @abstractmethod
    def _is_finite(self) -> bool:
        """Return whether the state is still numbers."""

    @abstractmethod
    def _measure(self) -> RobotState:
        """Read every sensor but the cameras, and the truth, now."""
