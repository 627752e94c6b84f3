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
from robot_policies.policies.uni_o4.frame import FrameLayout
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
    """What the policy does not see of the quadruped, and its frames, the newest last."""

    def __init__(self, config: UniO4Config, privileged: int = 0) -> None:
        """Find the blocks of the newest frame.

        Args:
            config: The policy.
            privileged: Numbers before the frames.
        """
        self._layout = layout = FrameLayout(len(config.joint_names))
        self._widths = [block.stop - block.start for block in layout.measured]
        self.width = privileged + config.history * layout.width
        self.action_width, self.change_width = layout.joints, privileged + sum(self._widths)
        self._privileged = privileged
        self._quadruped = Quadruped(config, like=torch.empty(0))
        # The clock a step on: sin(x + a) = cos(a) sin(x) + sin(a) cos(x), and likewise cos(x + a).
        angle = torch.tensor(2.0 * torch.pi * config.gait_frequency * config.dt)
        self._turn_clock = torch.stack(
            [
                torch.stack([torch.cos(angle), torch.sin(angle)]),
                torch.stack([-torch.sin(angle), torch.cos(angle)]),
            ]
        )

    def execute(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return the action within the robot's limits, as the policy on the robot does."""
        newest, layout = self._newest(observation), self._layout
        return self._quadruped.limit(action, newest[:, layout.state], newest[:, layout.target])

    def change(self, observation: Tensor, following: Tensor) -> Tensor:
        """Return what all that is measured gains. Shape (B, P)."""
        return self._measured(following) - self._measured(observation)

    def advance(self, observation: Tensor, action: Tensor, change: Tensor) -> Tensor:
        """Return the frames one step on. Shape (B, W)."""
        newest, layout, unseen = self._newest(observation), self._layout, self._privileged
        measured = self._measured(observation) + change
        privileged, turn, gravity, state = measured.split([unseen, *self._widths], -1)
        frame = layout.in_order(
            turn=turn,
            gravity=torch.nn.functional.normalize(gravity, dim=-1),
            command=newest[:, layout.command],
            state=state,
            target=action,
            clock=newest[:, layout.clock] @ self._turn_clock.T,  # 0 stays 0, if asked to stand
        )
        return torch.cat([privileged, observation[:, unseen + layout.width :], *frame], -1)

    def terminated(self, observation: Tensor) -> Tensor:
        """Return whether the robot has fallen over. Shape (B,), boolean."""
        return ~(self._newest(observation)[:, self._layout.down] <= FALL_GRAVITY)

    def _measured(self, observation: Tensor) -> Tensor:
        """Return what is privileged, turn, gravity, positions and speeds. Shape (B, P)."""
        newest = self._newest(observation)
        privileged = observation[:, : self._privileged]
        return torch.cat([privileged, *(newest[:, b] for b in self._layout.measured)], -1)

    def _newest(self, observation: Tensor) -> Tensor:
        """Return the newest frame. (B, W) -> (B, F)."""
        return observation[:, -self._layout.width :]


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
