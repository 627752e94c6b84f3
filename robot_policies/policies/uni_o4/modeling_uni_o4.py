"""The quadruped policy: a mirror-symmetric Gaussian actor, a value net and a short memory.

Letters: `B` batch (environments in training, 1 on a robot), `J` joints, `F` frame width,
`H` frames. All inputs and outputs are normalised as `processor_uni_o4.statistics` says; actions
are joint targets in units of `action_scale` around the default pose.

The actor is symmetric by construction, mu(o) = (f(o) + M f(M o)) / 2 with M the mirror: mirrored
samples as augmentation would be off-policy for a net that is not symmetric yet.

On a robot the batch is one, and a step takes as long as it has operations: 10 to 20 us each on a
core that has slept since the last one. So they are few here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor, nn

from robot_policies.interface.observation import IMU, STATE, VELOCITY_COMMAND
from robot_policies.policies.uni_o4.configuration_uni_o4 import ACTION, UniO4Config, mirror_map
from robot_policies.policies.uni_o4.losses import gaussian_log_prob


class UniO4Policy(PreTrainedPolicy):
    """Joint targets from five frames of inertial unit, joints, command and own last action."""

    config_class = UniO4Config  # pyright: ignore[reportAssignmentType]
    name = "uni_o4"  # pyright: ignore[reportAssignmentType]

    def __init__(self, config: UniO4Config, **kwargs: Any) -> None:
        """Make the networks.

        Args:
            config: Numbers of the policy.
            **kwargs: What LeRobot's factory passes (`dataset_stats`, `dataset_meta`); not needed.
        """
        super().__init__(config)
        config.validate_features()
        self.config = config
        width = config.history * config.frame_width
        self.actor = SymmetricActor(config)
        self.value = mlp(width, config.hidden, 1)
        self.log_std = nn.Parameter(
            torch.full((len(config.joint_names),), float(np.log(config.initial_std)))
        )
        self.memory = Memory(config)

    def reset(self) -> None:
        """Forget the episode."""
        self.memory.reset()

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Tensor], **kwargs: Any) -> Tensor:
        """Answer one observation; call it once per control step, it advances the memory.

        Args:
            batch: Normalised features: state (B, 2 J), imu (B, 10), velocity command (B, 3).
            **kwargs: Not used.

        Returns:
            The mean action, with noise if the configuration asks for `exploration`, within the
            robot's limits. Shape (B, J).
        """
        action = self.actor(self.memory.observe(batch))
        if self.config.exploration > 0.0:
            action = action + self.config.exploration * torch.randn_like(action)
        return self.memory.act(action)

    @torch.no_grad()
    def predict_action_chunk(self, batch: Mapping[str, Tensor], **kwargs: Any) -> Tensor:
        """Return `select_action` as a chunk of one row. Shape (B, 1, J)."""
        return self.select_action(batch).unsqueeze(1)

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the behaviour-cloning loss, -log pi(a | o), of a window of a data set.

        Args:
            batch: Normalised features with H frames, the newest last; `action` (B, H + 1, J),
                each but the last the one before its frame; `frame_index` (B,) of the newest;
                `action_is_pad` (B, H + 1), true before the start of the episode.

        Returns:
            The loss and what to log.
        """
        observation = self.memory.window(batch)
        log_prob = gaussian_log_prob(self.actor(observation), self.log_std, batch[ACTION][:, -1])
        return -log_prob.mean(), {"std": float(self.log_std.detach().exp().mean())}

    def get_optim_params(self) -> dict:
        """Return what behaviour cloning trains."""
        return {"params": [*self.actor.parameters(), self.log_std]}


class SymmetricActor(nn.Module):
    """Mean action of an observation; a mirrored robot moves mirrored."""

    both: Tensor
    signs: Tensor
    merge: Tensor

    def __init__(self, config: UniO4Config) -> None:
        """Make the net and the mirror maps, which follow from the joint names."""
        super().__init__()
        joints = len(config.joint_names)
        self.net = mlp(config.history * config.frame_width, config.hidden, joints)
        with torch.no_grad():  # start at the default pose
            last = self.net[-1]
            last.weight.mul_(0.1)  # pyright: ignore[reportCallIssue]
        index, sign = mirror_map(config.joint_names)
        frame_index, frame_sign = mirror_frame(index, sign)
        width = config.frame_width
        frames = torch.arange(config.history).unsqueeze(1) * width
        mirrored = (frames + torch.tensor(frame_index)).flatten()
        signs = torch.tensor(frame_sign).repeat(config.history)
        direct, reflected = torch.eye(joints), torch.eye(joints)[index].T * torch.tensor(sign)
        for name, value in (
            ("both", torch.stack([torch.arange(len(mirrored)), mirrored])),
            ("signs", torch.stack([torch.ones_like(signs), signs])),
            ("merge", 0.5 * torch.cat([direct, reflected])),
        ):
            self.register_buffer(name, value, persistent=False)

    def forward(self, observation: Tensor) -> Tensor:
        """Return the mean. (B, H F) -> (B, J)."""
        views = observation[:, self.both] * self.signs  # (B, 2, H F), as it is and mirrored
        return self.net(views).flatten(1) @ self.merge


class Memory(nn.Module):
    """What the policy remembers of an episode: frames, its last action, the gait clock.

    The same object serves one robot and a thousand simulated ones.
    """

    lower: Tensor
    upper: Tensor
    step_limit: Tensor
    reach: Tensor
    brake: Tensor
    command_scale: Tensor
    quarter: Tensor

    def __init__(self, config: UniO4Config) -> None:
        """Compute the robot's limits in normalised units."""
        super().__init__()
        self.config = config
        scale = config.action_scale
        default, lower, upper, velocity, acceleration, effort, stiffness, damping = (
            torch.tensor(getattr(config, name), dtype=torch.float32)
            for name in (
                *("default_position", "lower", "upper", "velocity", "acceleration"),
                *("effort", "stiffness", "damping"),
            )
        )
        # Two opposite steps differ by twice the step, so half of a dt^2 keeps the acceleration.
        step = torch.minimum(velocity * config.dt, 0.5 * acceleration * config.dt**2)
        for name, value in (
            ("lower", (lower + config.position_margin - default) / scale),
            ("upper", (upper - config.position_margin - default) / scale),
            ("step_limit", config.limit_fraction * step / scale),
            ("reach", config.limit_fraction * effort / stiffness / scale),
            ("brake", damping / stiffness * config.velocity_scale / scale),
            ("command_scale", torch.tensor(config.command_scale).unsqueeze(1)),
            ("quarter", torch.tensor([0.0, 0.5 * torch.pi])),  # a cosine is a sine, turned on
        ):
            self.register_buffer(name, value, persistent=False)
        self.reset()

    def reset(self, done: Tensor | None = None) -> None:
        """Forget the episodes where `done` (B,) is true, or all."""
        if done is None:
            self.frames = torch.empty(0)  # (B, H, F)
            self.last = torch.empty(0)  # (B, J)
            self.steps = torch.empty(0)  # (B,)
            self.fresh = torch.empty(0, dtype=torch.bool)  # (B,)
            self.measured = torch.empty(0)  # (B, 2 J)
        else:
            self.fresh |= done

    def observe(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Take in the newest features and return the observation. Shape (B, H F)."""
        state = batch[STATE]
        if len(self.frames) != len(state):
            self._allocate(len(state), state.device)
        begins = bool(self.fresh.any())
        if begins:
            self._begin(state)
        frame = self._frame(batch, self.last, self.steps)
        self.frames = torch.cat([self.frames[:, 1:], frame.unsqueeze(1)], 1)
        if begins:
            fresh = self.fresh[:, None, None]
            self.frames = torch.where(fresh, frame.unsqueeze(1), self.frames)
            self.fresh = torch.zeros_like(self.fresh)
        self.measured = state
        return self.frames.flatten(1)

    def peek(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return what `observe` would, remembering nothing. Shape (B, H F)."""
        frame = self._frame(batch, self.last, self.steps)
        return torch.cat([self.frames[:, 1:], frame.unsqueeze(1)], 1).flatten(1)

    def act(self, action: Tensor) -> Tensor:
        """Bring an action within the robot's limits and remember it. Shape (B, J)."""
        self.last = self.limit(action)
        self.steps = self.steps + 1.0
        return self.last

    def limit(self, action: Tensor) -> Tensor:
        """Return the nearest action that no limit forbids, position limits first.

        Torque k (target - q) - d qdot stays within the effort limit, the target moves no faster
        than the joint can, and lies inside the position limits.
        """
        position, velocity = self.measured.chunk(2, -1)
        center = position / self.config.action_scale + self.brake * velocity
        action = torch.clamp(action, center - self.reach, center + self.reach)
        action = torch.clamp(action, self.last - self.step_limit, self.last + self.step_limit)
        return torch.clamp(action, self.lower, self.upper)

    def window(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the observation the policy would have had at the end of a recorded window.

        Args:
            batch: As `UniO4Policy.forward` describes.

        Returns:
            Shape (B, H F).
        """
        config = self.config
        positions = batch[STATE][..., : len(config.joint_names)]
        pad = batch["action_is_pad"][:, :-1].unsqueeze(-1)
        last = torch.where(pad, positions / config.action_scale, batch[ACTION][:, :-1])
        offset = torch.arange(1 - config.history, 1, device=last.device)
        steps = (batch["frame_index"].reshape(-1, 1) + offset).clamp(min=0)
        features = {name: batch[name].flatten(0, 1) for name in (STATE, IMU, VELOCITY_COMMAND)}
        frames = self._frame(features, last.flatten(0, 1), steps.flatten().to(last.dtype))
        return frames.unflatten(0, last.shape[:2]).flatten(1)

    def _allocate(self, size: int, device: torch.device) -> None:
        config = self.config
        self.frames = torch.zeros(size, config.history, config.frame_width, device=device)
        self.last = torch.zeros(size, len(config.joint_names), device=device)
        self.steps = torch.zeros(size, device=device)
        self.fresh = torch.ones(size, dtype=torch.bool, device=device)

    def _begin(self, state: Tensor) -> None:
        """Let an episode begin as if its pose had been commanded."""
        here = state[:, : self.last.shape[1]] / self.config.action_scale
        self.last = torch.where(self.fresh.unsqueeze(1), here, self.last)
        self.steps = torch.where(self.fresh, 0.0, self.steps)

    def _frame(self, batch: Mapping[str, Tensor], last: Tensor, steps: Tensor) -> Tensor:
        """Assemble one frame; the only place that does. Shape (B, F)."""
        config = self.config
        state, imu, command = batch[STATE], batch[IMU], batch[VELOCITY_COMMAND]
        moving = command.abs() @ self.command_scale > config.standing_command  # (B, 1)
        turn = 2.0 * torch.pi * config.gait_frequency * config.dt
        clock = torch.sin(torch.add(self.quarter, steps.unsqueeze(1), alpha=turn)) * moving
        frame = torch.cat(
            [
                imu[:, 4:7],  # 3 angular velocity
                gravity(imu[:, :4]),  # 3
                command,  # 3
                state,  # J positions, J velocities
                last,  # J
                clock,  # 2
            ],
            -1,
        )
        return frame.clamp(-config.observation_clip, config.observation_clip)


def gravity(orientation: Tensor) -> Tensor:
    """Return the world's down direction in the body frame of a quaternion x, y, z, w."""
    products = orientation.unsqueeze(-1) * orientation.unsqueeze(-2)
    return torch.addmm(OFFSET.to(products), products.flatten(-2), PRODUCTS.to(products))


def _down() -> Tensor:
    """Return what makes 2 (w y - x z), -2 (y z + w x), 2 (x x + y y) of all products. (16, 3)."""
    x, y, z, w = range(4)
    factors = torch.zeros(4, 4, 3)
    factors[w, y, 0], factors[x, z, 0] = 2.0, -2.0
    factors[y, z, 1], factors[w, x, 1] = -2.0, -2.0
    factors[x, x, 2], factors[y, y, 2] = 2.0, 2.0
    return factors.flatten(0, 1)


PRODUCTS, OFFSET = _down(), torch.tensor([0.0, 0.0, -1.0])


def mirror_frame(index: Sequence[int], sign: Sequence[float]) -> tuple[list[int], list[float]]:
    """Return the mirror map of one frame, in the order of `Memory._frame`.

    Turning about x and z and moving along y change sign; the clock moves half a period on, since
    the diagonal pairs of a trot swap.
    """
    joints = len(index)
    starts = [9 + joints * block for block in range(3)]
    order = [*range(9), *(start + i for start in starts for i in index)]
    signs = [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0, *sign, *sign, *sign, -1.0, -1.0]
    return [*order, 9 + 3 * joints, 10 + 3 * joints], signs


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Return a multilayer perceptron with ELU between its layers."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ELU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
