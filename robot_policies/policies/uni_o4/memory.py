"""What the quadruped policy remembers of an episode: its newest frames and the gait clock."""

from collections.abc import Mapping
from functools import partial

import torch

from robot_policies.interface.observation import COMMAND, IMU, STATE, VELOCITY_COMMAND
from robot_policies.policies.uni_o4.configuration_uni_o4 import ACTION, UniO4Config
from robot_policies.policies.uni_o4.quadruped import Array, Quadruped, namespace

REMEMBERED = ("frames", "steps", "fresh", "measured", "command")


class Memory:
    """The same object serves one robot and a thousand simulated ones, on tensors or arrays.

    The kind of array may change from one observation to the next; nothing is forgotten then.

    Attributes:
        frames: The newest last. Shape (B, H, F).
        steps: Control steps since the episode began. Shape (B,).
        fresh: Where an episode begins with the next observation. Shape (B,), boolean.
        measured: The newest state. Shape (B, 2 J).
        command: The joint targets that were in force then. Shape (B, J).
    """

    def __init__(self, config: UniO4Config) -> None:
        """Remember nothing."""
        self.config = config
        self.reset()

    def reset(self, done: Array | None = None) -> None:
        """Forget the episodes where `done` (B,) is true, or all."""
        if done is None:
            self.frames = self.steps = self.measured = self.command = torch.empty(0)
            self.fresh = torch.empty(0, dtype=torch.bool)
            self._quadruped: Quadruped | None = None
        else:
            self.fresh |= done

    def observe(self, batch: Mapping[str, Array]) -> Array:
        """Take in the newest features and return the observation. Shape (B, H F)."""
        state = batch[STATE]
        xp, quadruped = namespace(state), self._suit(state)
        begins = bool(self.fresh.any())
        if begins:
            self.steps = self.steps * ~self.fresh
        frame = quadruped.frame(batch, batch[COMMAND], self.steps)[:, None]
        self.frames = xp.concatenate([self.frames[:, 1:], frame], 1)
        if begins:
            self.frames = xp.where(self.fresh[:, None, None], frame, self.frames)
            self.fresh = xp.zeros_like(self.fresh)
        self.measured, self.command = state, batch[COMMAND]
        return self.frames.reshape(len(state), -1)

    def peek(self, batch: Mapping[str, Array]) -> Array:
        """Return what `observe` would, remembering nothing. Shape (B, H F)."""
        state = batch[STATE]
        frame = self._suit(state).frame(batch, batch[COMMAND], self.steps)[:, None]
        frames = namespace(state).concatenate([self.frames[:, 1:], frame], 1)
        return frames.reshape(len(state), -1)

    def act(self, action: Array) -> Array:
        """Bring an action within the robot's limits; a control step has passed. Shape (B, J)."""
        self.steps = self.steps + 1.0
        return self._suit(action).limit(action, self.measured, self.command)

    def window(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the observation the policy would have had at the end of a recorded window.

        Args:
            batch: As `UniO4Policy.forward` describes.

        Returns:
            Shape (B, H F).
        """
        config, state = self.config, batch[STATE]
        quadruped = Quadruped(config, state)
        pad = batch["action_is_pad"][:, :-1].unsqueeze(-1)
        pose = quadruped.pose(state.flatten(0, 1)).unflatten(0, state.shape[:2])
        last = torch.where(pad, pose, batch[ACTION][:, :-1])
        offset = torch.arange(1 - config.history, 1, device=last.device)
        steps = (batch["frame_index"].reshape(-1, 1) + offset).clamp(min=0)
        features = {name: batch[name].flatten(0, 1) for name in (STATE, IMU, VELOCITY_COMMAND)}
        frames = quadruped.frame(features, last.flatten(0, 1), steps.flatten().to(last.dtype))
        return frames.unflatten(0, last.shape[:2]).flatten(1)

    def _suit(self, array: Array) -> Quadruped:
        """Remember as many robots, in the same kind of array; return the robot in that kind."""
        xp, count = namespace(array), len(array)
        if self._quadruped and len(self.frames) == count and type(self.frames) is type(array):
            return self._quadruped
        if len(self.frames) == count:
            for name in REMEMBERED:
                setattr(self, name, xp.asarray(getattr(self, name), device=array.device))
        else:
            config, joints = self.config, len(self.config.joint_names)
            zeros = partial(xp.zeros, dtype=xp.float32, device=array.device)
            self.frames = zeros((count, config.history, config.frame_width))
            self.steps, self.measured, self.command = (
                zeros(shape) for shape in ((count,), (count, 2 * joints), (count, joints))
            )
            self.fresh = xp.ones((count,), dtype=xp.bool, device=array.device)
        self._quadruped = Quadruped(self.config, array)
        return self._quadruped
