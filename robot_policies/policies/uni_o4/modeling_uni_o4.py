"""The quadruped policy: a mirror-symmetric Gaussian actor, a value net and a short memory.

Letters: `B` batch (environments in training, 1 on a robot), `J` joints, `F` frame width,
`H` frames. All inputs and outputs are normalised as `processor_uni_o4.statistics` says; actions
are joint targets in units of `action_scale` around the default pose.

The actor is symmetric by construction, mu(o) = (f(o) + M f(M o)) / 2 with M the mirror: mirrored
samples as augmentation would be off-policy for a net that is not symmetric yet.

On a robot the batch is one, and the policy then answers with NumPy alone, from the same weights.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor, nn

from robot_policies.learning.networks import mlp
from robot_policies.policies.uni_o4.configuration_uni_o4 import ACTION, UniO4Config, mirror_map
from robot_policies.policies.uni_o4.frame import FrameLayout
from robot_policies.policies.uni_o4.losses import gaussian_log_prob
from robot_policies.policies.uni_o4.memory import Memory
from robot_policies.policies.uni_o4.quadruped import Array


class UniO4Policy(PreTrainedPolicy):
    """Joint targets from five frames of inertial unit, joints, goal and command in force."""

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
            batch: Normalised features: state (B, 2 J), imu (B, 10), velocity command (B, 3),
                command in force (B, J).
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

    def on_arrays(self) -> Callable[[Mapping[str, np.ndarray]], np.ndarray] | None:
        """Return `select_action` on NumPy's arrays; see `policies/numpy_inference.py`.

        It has the same memory, so either may answer the next observation. Noise is torch's alone.
        """
        if self.config.exploration > 0.0:
            return None
        actor = self.actor.on_arrays()
        return lambda batch: self.memory.act(actor(self.memory.observe(batch)))

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
        layout, (index, sign) = FrameLayout(joints), mirror_map(config.joint_names)
        frame_index, frame_sign = layout.mirror(index, sign)
        frames = torch.arange(config.history).unsqueeze(1) * layout.width
        mirrored = (frames + torch.tensor(frame_index)).flatten()
        both = torch.stack([torch.arange(len(mirrored)), mirrored])
        turned = torch.tensor(frame_sign).repeat(config.history)
        signs = torch.stack([torch.ones_like(turned), turned])
        direct, reflected = torch.eye(joints), torch.eye(joints)[index].T * torch.tensor(sign)
        self.register_buffer("both", both, persistent=False)
        self.register_buffer("signs", signs, persistent=False)
        self.register_buffer("merge", 0.5 * torch.cat([direct, reflected]), persistent=False)

    def forward(self, observation: Tensor) -> Tensor:
        """Return the mean. (B, H F) -> (B, J)."""
        return mirrored_mean(observation, self.net, self.both, self.signs, self.merge)

    def on_arrays(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return `forward` on NumPy's arrays, which reads these very weights."""
        net = mlp_on_arrays(self.net)
        both, signs, merge = (table.numpy() for table in (self.both, self.signs, self.merge))
        return lambda observation: mirrored_mean(observation, net, both, signs, merge)


def mirrored_mean(
    observation: Array, net: Callable[[Array], Array], both: Array, signs: Array, merge: Array
) -> Array:
    """Return the mean of what a net says to a robot and to its mirror image.

    Args:
        observation: Shape (B, H F).
        net: The net. (B, 2, H F) -> (B, 2, J)
        both: Which element stands where, as it is and mirrored. Shape (2, H F).
        signs: The sign it has there. Shape (2, H F).
        merge: Mirrors the second answer back and halves the sum. Shape (2 J, J).

    Returns:
        Shape (B, J).
    """
    answers = net(observation[:, both] * signs)
    return answers.reshape(len(observation), -1) @ merge


def mlp_on_arrays(net: nn.Sequential) -> Callable[[np.ndarray], np.ndarray]:
    """Return what `mlp` made as a function of NumPy's arrays, over the same weights in memory."""
    *hidden, (weight, bias) = [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy()[:, None])
        for layer in net
        if isinstance(layer, nn.Linear)
    ]

    def run(x: np.ndarray) -> np.ndarray:
        # A matrix times a few columns takes OpenBLAS a third as long as rows times a matrix.
        columns = x.reshape(-1, x.shape[-1]).T
        for matrix, shift in hidden:
            columns = matrix @ columns + shift
            columns = np.maximum(columns, np.expm1(np.minimum(columns, 0.0)))  # ELU
        return (weight @ columns + bias).T.reshape(*x.shape[:-1], -1)

    return run
