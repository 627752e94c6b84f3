"""The quadruped as its policy sees it and moves it: one frame, and how far an action may go.

Letters as in `modeling_uni_o4`. Everything is computed with the kind of array it is made for:
torch's, for a thousand robots in training, or NumPy's, for one robot, where a step takes as long
as it has operations and one of NumPy's takes a third as long. Both say alike what is used here
(the array API standard's names).
"""

from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch

from robot_policies.interface.observation import IMU, STATE, VELOCITY_COMMAND
from robot_policies.policies.uni_o4.configuration_uni_o4 import (
    ROBOT_FIELDS,
    SERVO_FIELDS,
    UniO4Config,
)
from robot_policies.policies.uni_o4.frame import FrameLayout

Array = Any  # a tensor, or an ndarray


def namespace(array: Array) -> ModuleType:
    """Return the module whose functions take this kind of array."""
    return torch if isinstance(array, torch.Tensor) else np


class Quadruped:
    """The numbers of a configuration as arrays of one kind, in normalised units.

    Not a module: the policy's device is known from what it is given.
    """

    def __init__(self, config: UniO4Config, like: Array) -> None:
        """Compute the robot's limits.

        Args:
            config: Numbers of the policy.
            like: An array of the kind, and on the device, of all that follow.
        """
        self.config, xp = config, namespace(like)
        self._layout = FrameLayout(len(config.joint_names))
        make = partial(xp.asarray, dtype=xp.float32, device=like.device)
        scale = config.action_scale
        default, lower, upper, velocity, acceleration, effort, stiffness, damping = (
            np.array(getattr(config, name), dtype=np.float32)
            for name in ROBOT_FIELDS + SERVO_FIELDS
        )
        # Two opposite steps differ by twice the step, so half of a dt^2 keeps the acceleration.
        step = np.minimum(velocity * config.dt, 0.5 * acceleration * config.dt**2)
        self._lower = make((lower + config.position_margin - default) / scale)
        self._upper = make((upper - config.position_margin - default) / scale)
        self._step = make(config.limit_fraction * step / scale)
        self._reach = make(config.limit_fraction * effort / stiffness / scale)
        self._brake = make(damping / stiffness * config.velocity_scale / scale)
        self._command_scale = make(config.command_scale)[:, None]
        self._quarter = make([0.0, 0.5 * np.pi])  # a cosine is a sine, turned on
        self._down = make(DOWN)

    def frame(self, batch: Mapping[str, Array], target: Array, steps: Array) -> Array:
        """Assemble one frame from what is measured, as `FrameLayout` orders it.

        The clock is sin(2 pi f t) and cos(2 pi f t), both 0 while the robot is asked to stand.

        Args:
            batch: Normalised features.
            target: The joint targets in force. Shape (B, J).
            steps: Control steps since the episode began. Shape (B,).

        Returns:
            Shape (B, F).
        """
        config, state = self.config, batch[STATE]
        imu, command, xp = batch[IMU], batch[VELOCITY_COMMAND], namespace(state)
        moving = abs(command) @ self._command_scale > config.standing_command  # (B, 1)
        turn = 2.0 * np.pi * config.gait_frequency * config.dt
        clock = xp.sin(self._quarter + turn * steps[:, None]) * moving
        blocks = self._layout.in_order(
            turn=imu[:, 4:7],
            gravity=gravity(imu[:, :4], self._down),
            command=command,
            state=state,
            target=target,
            clock=clock,
        )
        frame = xp.concatenate(blocks, -1)
        return frame.clip(-config.observation_clip, config.observation_clip)

    def pose(self, state: Array) -> Array:
        """Return the action that asks for the pose the robot is in. (B, 2 J) -> (B, J)."""
        return state[:, : len(self._lower)] / self.config.action_scale

    def limit(self, action: Array, state: Array, target: Array) -> Array:
        """Return the nearest action that no limit forbids, position limits first.

        Torque k (target - q) - d qdot stays within the effort limit, the target moves no faster
        than the joint can, and lies inside the position limits.

        Args:
            action: What is asked for. Shape (B, J).
            state: Measured positions and velocities. Shape (B, 2 J).
            target: The joint targets in force. Shape (B, J).
        """
        velocity = state[:, len(self._lower) :]
        center = self.pose(state) + self._brake * velocity
        action = action.clip(center - self._reach, center + self._reach)
        action = action.clip(target - self._step, target + self._step)
        return action.clip(self._lower, self._upper)


def gravity(orientation: Array, down: Array) -> Array:
    """Return the world's down direction in the body frame, R(q)^T (0, 0, -1).

    That is (2 (w y - x z), -2 (y z + w x), x^2 + y^2 - z^2 - w^2): a sum over the products of two
    elements of the quaternion, which `DOWN` weighs.

    Args:
        orientation: Unit quaternions x, y, z, w. Shape (B, 4).
        down: `DOWN`, in the same kind of array.

    Returns:
        Shape (B, 3).
    """
    products = orientation[:, :, None] * orientation[:, None, :]
    return products.reshape(-1, 16) @ down


def _down() -> np.ndarray:
    """Return the weight of every product q_i q_j in each element of `gravity`. Shape (16, 3)."""
    x, y, z, w = range(4)
    weight = np.zeros((4, 4, 3), dtype=np.float32)
    weight[w, y, 0], weight[x, z, 0] = 2.0, -2.0
    weight[y, z, 1], weight[w, x, 1] = -2.0, -2.0
    weight[x, x, 2], weight[y, y, 2], weight[z, z, 2], weight[w, w, 2] = 1.0, 1.0, -1.0, -1.0
    return weight.reshape(16, 3)


DOWN = _down()
