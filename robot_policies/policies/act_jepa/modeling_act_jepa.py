r"""ACT-JEPA: actions from a context encoder that also learns to predict the states to come.

    task, state, images now --> context encoder --> s_x --> action decoder --> actions   (L1)
                                     | EMA           \----> predictor -------> s_y'      (L1)
    task, states t .. t + T-1 --> target encoder ---------------------------> s_y

Letters: `B` batch, `T` chunk, `C` width, `S` state, `A` action, `N` context tokens. Without the
lower two rows this is ACT without CVAE, the paper's baseline; for inference they are not built.
"""

import copy
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lerobot.policies.act.modeling_act import ACTTemporalEnsembler
from lerobot.policies.pretrained import PreTrainedPolicy
from safetensors.torch import load_file, save_file
from torch import Tensor

from robot_policies.interface import CheckpointError, ConfigError, ContractError
from robot_policies.learning.noise import noise_of_step
from robot_policies.policies.act_jepa.configuration_act_jepa import ACTION, ActJepaConfig
from robot_policies.policies.act_jepa.dataset import describe_elements, prepare, read_goals
from robot_policies.policies.act_jepa.losses import masked_l1
from robot_policies.policies.act_jepa.networks import (
    ActionDecoder,
    ContextEncoder,
)
from robot_policies.policies.act_jepa.training_parts import PREFIX, TrainingParts

WEIGHTS = "model.safetensors"
TRAINING_WEIGHTS = "training_parts.safetensors"


class ActJepaPolicy(PreTrainedPolicy):
    """LeRobot's view of the networks: batches in, loss or actions out."""

    config_class = ActJepaConfig  # pyright: ignore[reportAssignmentType]
    name = "act_jepa"  # pyright: ignore[reportAssignmentType]

    def __init__(
        self,
        config: ActJepaConfig,
        dataset_meta: Any | None = None,
        for_training: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Make the networks.

        Args:
            config: Numbers of the policy; what a data set knows is filled in.
            dataset_meta: The data set to train on, as LeRobot's training passes it.
            for_training: Whether to build what only training needs; by default, if there is a
                data set.
            **kwargs: What else LeRobot's factory passes (`dataset_stats`).

        Raises:
            ConfigError: If the data set does not fit.
        """
        super().__init__(config)
        if dataset_meta is not None:
            prepare(config, dataset_meta)
        config.validate_features()
        self.config = config
        self.context = ContextEncoder(config)
        self.decoder = ActionDecoder(config)
        self.training_parts: TrainingParts | None = None
        if for_training if for_training is not None else dataset_meta is not None:
            self.training_parts = TrainingParts(config, self.context)
            if config.hindsight_weight > 0.0 and dataset_meta is not None:
                self.training_parts.goals = read_goals(config, dataset_meta)
        if config.objective == "frozen":
            self.context.requires_grad_(False)
        self.reset()

    def reset(self) -> None:
        """Forget the episode."""
        coefficient = self.config.temporal_ensemble_coeff
        self._queue: deque[Tensor] = deque()
        self._ensemble = (
            None
            if coefficient is None
            else ACTTemporalEnsembler(coefficient, self.config.chunk_size)
        )

    @torch.no_grad()
    def predict_action_chunk(self, batch: Mapping[str, Any], **kwargs: Any) -> Tensor:
        """Return the actions from now on. Shape (B, T, A).

        Args:
            batch: Normalised features of now: vectors (B, width), images (B, 3, H, W) in [0, 1],
                `task_index` (B,) where the policy knows several tasks.
            **kwargs: Not used.

        Raises:
            ContractError: If the checkpoint never learned an action.
        """
        if self.config.objective == "pretrain":
            raise ContractError("this checkpoint was trained without actions, it predicts none")
        self.eval()
        return self.decoder(self.context(batch))

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Any], **kwargs: Any) -> Tensor:
        """Return the action for this step, predicting anew when the last chunk is used up.

        Returns:
            Shape (B, A).
        """
        if self._ensemble is not None:
            return self._ensemble.update(self.predict_action_chunk(batch))
        if not self._queue:
            chunk = self.predict_action_chunk(batch)[:, : self.config.n_action_steps]
            self._queue.extend(chunk.transpose(0, 1))
        return self._queue.popleft()

    def forward(self, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch, eq. 3, and what to log.

        Args:
            batch: As for `predict_action_chunk`; besides, `action` (B, T, A) with
                `action_is_pad` (B, T), the states to come in `observation.state` (B, T, S) with
                `observation.state_is_pad` (B, T), `episode_index` (B,) where some episodes are
                unlabelled and `index` (B,) with hindsight.
        """
        parts = self._parts()
        config, losses, log = self.config, [], {}
        with noise_of_step(parts.step):
            tokens = self.context.embed(batch)
            context = self.context.encode(tokens)  # (B, N, C)
            if config.objective != "pretrain":
                valid = ~batch["action_is_pad"] & self._labelled(batch).unsqueeze(1)
                losses.append(masked_l1(self.decoder(context), batch[ACTION], valid))
                log["action_loss"] = losses[-1].item()
            if parts.world is not None:
                loss, measures = parts.world(context, batch)
                losses.append(loss)
                log |= {**measures, "momentum": parts.momentum()}
                parts.watch(measures)
            if parts.hindsight is not None:
                loss = parts.hindsight(self.context.seen(tokens), parts.goals_of(batch))
                losses.append(config.hindsight_weight * loss)
                log["hindsight_loss"] = loss.item()
        return torch.stack(losses).sum(), log

    def update(self) -> None:
        """Let the target encoder follow; LeRobot calls this after each optimiser step."""
        self._parts().update(self.context)

    def get_optim_params(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what is trained; biases and norms are not decayed (the HF Trainer's rule)."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [
            {"params": [parameter for parameter in trained if parameter.ndim > 1]},
            {
                "params": [parameter for parameter in trained if parameter.ndim <= 1],
                "weight_decay": 0.0,
            },
        ]

    def train(self, mode: bool = True) -> "ActJepaPolicy":
        """Switch dropout and batch statistics; a frozen context encoder keeps both off."""
        super().train(mode)
        if self.config.objective == "frozen":
            self.context.eval()
        return self

    def _parts(self) -> TrainingParts:
        if self.training_parts is None:
            raise ConfigError("this policy was made for inference; pass for_training=True")
        return self.training_parts

    def _labelled(self, batch: Mapping[str, Any]) -> Tensor:
        """Return which samples come with actions. Shape (B,)."""
        labelled = self.config.labelled_episodes
        if labelled is None:
            return torch.ones_like(batch["action_is_pad"][:, 0])
        episode = batch["episode_index"].flatten()
        return torch.isin(episode, torch.tensor(labelled, device=episode.device))

    def _save_pretrained(
        self, save_directory: Path, state_dict: dict[str, Tensor] | None = None
    ) -> None:
        """Write what inference needs and what only training needs into two files."""
        config = copy.copy(self.config)
        config.pretrained_backbone_weights = None  # they are in this checkpoint
        config.save_pretrained(save_directory)
        state = {
            key: value.contiguous() for key, value in (state_dict or self.state_dict()).items()
        }
        training = {key: state.pop(key) for key in list(state) if key.startswith(PREFIX)}
        save_file(state, save_directory / WEIGHTS, {"format": "pt"})
        if training:
            save_file(training, save_directory / TRAINING_WEIGHTS, {"format": "pt"})
        describe_elements(self.config, save_directory)

    @classmethod
    def _load_as_safetensor(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, model: "ActJepaPolicy", model_file: str, map_location: str, strict: bool
    ) -> "ActJepaPolicy":
        """Load strictly, whatever LeRobot asks for: a missing weight is not a warning."""
        state = load_file(model_file, map_location)
        expected = {key for key in model.state_dict() if not key.startswith(PREFIX)}
        if state.keys() != expected:
            wrong = sorted(state.keys() ^ expected)
            raise CheckpointError(f"{model_file}: weights do not fit config.json at '{wrong[0]}'")
        model.load_state_dict(state, strict=False)
        if model.training_parts is not None:
            path = Path(model_file).parent / TRAINING_WEIGHTS
            model.training_parts.load(path, model.context)
            model.config.restart_schedule = False  # a checkpoint of this run resumes this run
        return model
