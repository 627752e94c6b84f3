"""What the offline phase must know of a task: how observations follow from each other.

A history is mostly known in advance: four of five frames, the command, the clock and the robot's
own action. A model that had to predict them would spend its accuracy there.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from robot_policies.interface.gravity import FALL_GRAVITY
from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
from robot_policies.policies.uni_o4.quadruped import Quadruped


class Space(Protocol):
    """Observations and actions of a task.

    Attributes:
        width: Numbers in an observation, `W`.
        action_width: Numbers in an action, `A`.
        change_width: Numbers that have to be predicted, `P`.
    """

    width: int
    action_width: int
    change_width: int

    def execute(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return what is done when a policy says `action`. Shape (B, A)."""
        ...

    def change(self, observation: Tensor, following: Tensor) -> Tensor:
        """Return what a model has to predict of the step. Shape (B, P)."""
        ...

    def advance(self, observation: Tensor, action: Tensor, change: Tensor) -> Tensor:
        """Return the observation after a step. Shape (B, W)."""
        ...

    def terminated(self, observation: Tensor) -> Tensor:
        """Return whether an observation is the end. Shape (B,), boolean."""
        ...


def never(observation: Tensor) -> Tensor:
    """Return that nothing ends an episode."""
    return torch.zeros(len(observation), dtype=torch.bool, device=observation.device)


class BoxSpace:
    """An ordinary task: the whole observation is predicted, actions lie in [-1, 1]."""

    def __init__(
        self,
        width: int,
        action_width: int,
        terminated: Callable[[Tensor], Tensor] = never,
        mean: Tensor | float = 0.0,
        std: Tensor | float = 1.0,
    ) -> None:
        """Describe the task.

        Args:
            width: Numbers in an observation.
            action_width: Numbers in an action.
            terminated: Of observations in the task's own units, see `TERMINATION`.
            mean: What was subtracted from the task's observations. Scalar or shape (W,).
            std: What they were divided by then.
        """
        self.width = self.change_width = width
        self.action_width = action_width
        self._terminated, self._mean, self._std = terminated, mean, std

    def execute(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return the action within [-1, 1]. Shape (B, A)."""
        return action.clamp(-1.0, 1.0)

    def change(self, observation: Tensor, following: Tensor) -> Tensor:
        """Return the difference. Shape (B, W)."""
        return following - observation

    def advance(self, observation: Tensor, action: Tensor, change: Tensor) -> Tensor:
        """Return the sum. Shape (B, W)."""
        return observation + change

    def terminated(self, observation: Tensor) -> Tensor:
        """Return whether the task says so. Shape (B,), boolean."""
        return self._terminated(observation * self._std + self._mean)


class WalkSpace:
    """What the policy does not see of the quadruped, and its frames, the newest last.

    The layout of a frame is that of `Quadruped.frame`.
    """

    def __init__(self, config: UniO4Config, privileged: int = 0) -> None:
        """Lay out the newest frame: turn 3, gravity 3, command 3, q J, dq J, last J, clock 2.

        Args:
            config: The policy.
            privileged: Numbers before the frames.
        """
        joints = len(config.joint_names)
        self.width = privileged + config.history * config.frame_width
        self.action_width, self.change_width = joints, privileged + 6 + 2 * joints
        self._privileged = privileged
        self._frame = config.frame_width
        self._command = slice(6, 9)
        self._state = slice(9, 9 + 2 * joints)
        self._last = slice(9 + 2 * joints, 9 + 3 * joints)
        self._quadruped = Quadruped(config, like=torch.empty(0))
        angle = torch.tensor(2.0 * torch.pi * config.gait_frequency * config.dt)
        self._turn_clock = torch.stack(
            [
                torch.stack([torch.cos(angle), torch.sin(angle)]),
                torch.stack([-torch.sin(angle), torch.cos(angle)]),
            ]
        )

    def execute(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return the action within the robot's limits, as the policy on the robot does."""
        newest = observation[:, -self._frame :]
        return self._quadruped.limit(action, newest[:, self._state], newest[:, self._last])

    def change(self, observation: Tensor, following: Tensor) -> Tensor:
        """Return what all that is measured gains. Shape (B, P)."""
        return self._measured(following) - self._measured(observation)

    def advance(self, observation: Tensor, action: Tensor, change: Tensor) -> Tensor:
        """Return the frames one step on. Shape (B, W)."""
        newest = observation[:, -self._frame :]
        unseen = self._privileged
        measured = self._measured(observation) + change
        privileged, turn, gravity, state = measured.split(
            [unseen, 3, 3, measured.shape[-1] - unseen - 6], -1
        )
        gravity = torch.nn.functional.normalize(gravity, dim=-1)
        clock = newest[:, -2:] @ self._turn_clock.T  # sine and cosine, 0 if asked to stand
        frame = torch.cat([turn, gravity, newest[:, self._command], state, action, clock], -1)
        return torch.cat([privileged, observation[:, unseen + self._frame :], frame], -1)

    def terminated(self, observation: Tensor) -> Tensor:
        """Return whether the robot has fallen over. Shape (B,), boolean."""
        return ~(observation[:, 5 - self._frame] <= FALL_GRAVITY)

    def _measured(self, observation: Tensor) -> Tensor:
        """Return what is privileged, turn, gravity, positions and speeds. Shape (B, P)."""
        newest = observation[:, -self._frame :]
        privileged = observation[:, : self._privileged]
        return torch.cat([privileged, newest[:, :6], newest[:, self._state]], -1)


def scaled_velocity(velocity: np.ndarray, config: UniO4Config) -> np.ndarray:
    """Return the trunk's velocity in the body frame in units of the command. (N, 3) [m/s]."""
    return (velocity / config.command_scale[0]).astype(np.float32)


def _hopper(observation: Tensor) -> Tensor:
    healthy = (observation[:, 1:].abs() < 100.0).all(-1)
    return ~(healthy & (observation[:, 0] > 0.7) & (observation[:, 1].abs() < 0.2))


def _walker2d(observation: Tensor) -> Tensor:
    height, angle = observation[:, 0], observation[:, 1]
    return ~((height > 0.8) & (height < 2.0) & (angle.abs() < 1.0))


# As `terminated` in gymnasium's environments of the same name, version 5.
TERMINATION: dict[str, Callable[[Tensor], Tensor]] = {
    "Hopper": _hopper,
    "Walker2d": _walker2d,
    "HalfCheetah": never,
}
