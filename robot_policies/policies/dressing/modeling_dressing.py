"""The policy in LeRobot's form: a displacement of the gripper for each cloud."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor

from robot_policies.interface import ActionKind
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.observation import POINTS, STATE
from robot_policies.learning.elements import ACTION, write_contract
from robot_policies.policies.dressing.configuration_dressing import HEADING, DressingConfig
from robot_policies.policies.dressing.losses import imitation_loss
from robot_policies.policies.dressing.networks import make_actor

FRAME = "link_base"  # of the points: the robot's base
MAX_AGE = 0.25  # s; two pictures of a camera at 10 Hz, and what it takes to bring one


class DressingPolicy(PreTrainedPolicy):
    """A displacement of the gripper from one network cloud, see `processor_dressing`."""

    config_class = DressingConfig  # pyright: ignore[reportAssignmentType]
    name = "dressing"  # pyright: ignore[reportAssignmentType]
    free: Tensor

    def __init__(self, config: DressingConfig, **kwargs: Any) -> None:
        """Make the actor.

        Args:
            config: Numbers of the policy.
            **kwargs: What LeRobot's factory passes; not needed.
        """
        super().__init__(config)
        config.validate_features()
        self.config = config
        self.actor = make_actor(config)
        # The sleeve is not turned about the x axis, the gripper's: the authors' `to_yz`.
        free = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0, 1.0])
        self.register_buffer("free", free, persistent=False)

    def reset(self) -> None:
        """Forget the episode: there is nothing to forget here, the processor remembers the arm."""

    @torch.no_grad()
    def predict_action_chunk(self, batch: Mapping[str, Tensor], **kwargs: Any) -> Tensor:
        """Return the mean displacement, in the base frame, as a chunk of one row. Shape (B, 1, 6).

        Args:
            batch: Network clouds under `observation.points`, shape (B, N, 7), and the heading of
                their x axes under `observation.heading`, shape (B, 1) [rad].
            **kwargs: Not used.
        """
        mean = self.actor(batch[POINTS])[0] * self.free
        way, turn = mean[..., :3], mean[..., 3:]
        # 1 is the fastest a gripper moves beside a person, in whatever direction.
        way = way / way.norm(dim=-1, keepdim=True).clamp(min=1.0)
        # The network's x axis is the gripper's heading: R(heading) v for both halves.
        cos, sin = batch[HEADING].cos(), batch[HEADING].sin()
        return torch.cat([part for v in (way, turn) for part in _turned(v, cos, sin)], -1)

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Tensor], **kwargs: Any) -> Tensor:
        """Return the mean displacement. Shape (B, 6)."""
        return self.predict_action_chunk(batch)[:, 0]

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the imitation loss of a batch, and what to log.

        Args:
            batch: Network clouds (B, N, 7) and `action` (B, 6), in [-1, 1].
        """
        mean, log_std = (value[:, 0] for value in self.actor(batch[POINTS]))
        loss = imitation_loss(mean, log_std, batch[ACTION])
        return loss, {"std": float(log_std.detach().exp().mean())}

    def get_optim_params(self) -> dict:
        """Return what is trained."""
        return {"params": list(self.parameters())}

    def _save_pretrained(self, save_directory: Path, **kwargs: Any) -> None:
        """Write configuration, weights and contract."""
        super()._save_pretrained(save_directory, **kwargs)
        config = self.config
        names = {
            STATE: [f"{joint}.pos" for joint in config.joint_names],
            ACTION: list(CARTESIAN_DELTA_NAMES),
        }
        units = {STATE: ["rad"] * len(config.joint_names), ACTION: ["m"] * 3 + ["rad"] * 3}
        write_contract(
            save_directory,
            config.robot,
            config.dt,
            names,
            units,
            ActionKind.CARTESIAN_DELTA,
            frames={POINTS: FRAME},
            max_age={POINTS: MAX_AGE},
            max_skew={POINTS: MAX_AGE},
        )


def _turned(vector: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, ...]:
    """Return x, y and z of vectors turned about z. (B, 1, 3), (B, 1) twice -> 3 x (B, 1, 1)."""
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    return tuple(v.unsqueeze(-1) for v in (cos * x - sin * y, sin * x + cos * y, z))
