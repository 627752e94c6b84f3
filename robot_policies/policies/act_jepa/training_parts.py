"""What only the training of ACT-JEPA needs: the world model, the hindsight head and the step.

They lie in a file of their own beside the weights, so that a checkpoint acts without them.

Letters: `B` batch, `G` goals.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robot_policies.interface import CheckpointError
from robot_policies.policies.act_jepa.configuration_act_jepa import GOALS, ActJepaConfig
from robot_policies.policies.act_jepa.losses import momentum
from robot_policies.policies.act_jepa.networks import (
    ContextEncoder,
    HindsightHead,
    TargetEncoder,
    WorldModel,
)
from robot_policies.policies.weights import read_tensors

PREFIX = "training_parts."  # of their names among the weights of the policy

logger = logging.getLogger(__name__)


class TrainingParts(nn.Module):
    """What only training needs: world model, hindsight head and the step counter."""

    step: Tensor

    def __init__(self, config: ActJepaConfig, context: ContextEncoder) -> None:
        """Build what the objective asks for."""
        super().__init__()
        self.config = config
        self.world = WorldModel(config, context.sequence) if config.predicts_world else None
        self.hindsight: HindsightHead | None = None
        if config.hindsight_weight > 0.0 and config.objective in ("joint", "act"):
            action = config.action_feature
            assert action is not None  # validate_features has seen to it
            goals = len(GOALS) * (action.shape[0] - 1)
            self.hindsight = HindsightHead(_seen_tokens(config, context), config.dim_model, goals)
        self.goals = torch.empty(0)  # (frames, G), of the data set; not part of a checkpoint
        # LeRobot tells a policy no step; without this one, resuming would restart the schedule.
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self._alarmed = False

    def momentum(self) -> float:
        """Return the momentum of the next update."""
        config = self.config
        return momentum(
            int(self.step), config.momentum_start, config.momentum_end, config.total_steps
        )

    def update(self, context: ContextEncoder) -> None:
        """Count a step, and let the target follow."""
        if self.world is not None:
            self.world.target.follow(context.sequence, self.momentum())
        self.step += 1

    def goals_of(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the hindsight goals of a batch. Shape (B, G)."""
        index = batch["index"].flatten().long()
        return self.goals[index.to(self.goals.device)].to(index.device)

    def watch(self, measures: Mapping[str, float]) -> None:
        """Say once, in the log, that the latents have collapsed."""
        deviation, rank = measures["latent_std"], measures["latent_rank"]
        low = deviation < self.config.alarm_std or rank < self.config.alarm_rank
        if low and self.training and not self._alarmed:
            self._alarmed = True
            logger.warning(
                "target latents may have collapsed at step %d: deviation %.3g (alarm below %g), "
                "effective rank %.3g (alarm below %g)",
                int(self.step),
                deviation,
                self.config.alarm_std,
                rank,
                self.config.alarm_rank,
            )

    def load(self, path: Path, context: ContextEncoder) -> None:
        """Take over the state of a run, or begin a new one from its weights.

        Raises:
            CheckpointError: If there is nothing to resume.
        """
        state = read_tensors(path) if path.is_file() else {}
        own = self.state_dict()
        state = {key.removeprefix(PREFIX): value for key, value in state.items()}
        state = {key: value for key, value in state.items() if key in own}
        restart = self.config.restart_schedule
        missing = sorted(own.keys() - state.keys())
        if missing and not restart:
            raise CheckpointError(
                f"{path} lacks '{missing[0]}', so the run cannot be resumed; "
                "--policy.restart_schedule=true starts a new one from these weights"
            )
        if self.world is not None and not any(key.startswith("world.") for key in state):
            self.world.target = TargetEncoder(context.sequence)
        self.load_state_dict(state, strict=False)
        if restart:
            self.step.zero_()
        elif int(self.step) >= self.config.total_steps:
            raise CheckpointError(
                f"{path}: all {self.config.total_steps} steps of this run are done; "
                "--policy.restart_schedule=true starts a new one from its weights"
            )


@torch.no_grad()
def _seen_tokens(config: ActJepaConfig, context: ContextEncoder) -> int:
    """Count the tokens of task and images for one goal, by looking at black ones."""
    inputs = config.input_features or {}
    batch = {name: torch.zeros(1, *feature.shape) for name, feature in inputs.items()}
    batch["task_index"] = torch.zeros(1)
    training = context.training
    tokens = context.eval().embed(batch)
    context.train(training)
    return context.seen(tokens)[0].shape[1]
