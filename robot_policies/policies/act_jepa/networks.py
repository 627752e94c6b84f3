"""The networks of ACT-JEPA.

Letters: `B` batch, `T` chunk, `C` width, `S` state, `A` action, `N` context tokens.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from robot_policies.interface.observation import STATE
from robot_policies.policies.act_jepa.blocks import Encoder, QueryDecoder
from robot_policies.policies.act_jepa.configuration_act_jepa import GOALS, ActJepaConfig
from robot_policies.policies.act_jepa.losses import latent_spread, masked_l1
from robot_policies.policies.act_jepa.vision import make_backbones, sine_1d


class ContextEncoder(nn.Module):
    """What is seen now, as tokens that have looked at each other: [task, vectors, images]."""

    def __init__(self, config: ActJepaConfig) -> None:
        """Make one embedding per input and the shared encoder."""
        super().__init__()
        inputs = config.input_features or {}
        self.vectors = [name for name, f in inputs.items() if len(f.shape) == 1 and name != STATE]
        self.cameras = list(config.image_features)
        state = config.robot_state_feature
        assert state is not None  # validate_features has seen to it
        self.sequence = SequenceEncoder(config, state.shape[0])
        self.vector_embeddings = nn.ModuleList(
            nn.Linear(inputs[name].shape[0], config.dim_model) for name in self.vectors
        )
        self.vision = make_backbones(config, len(self.cameras))
        self.token_per_goal = config.vision_backbone == "keypoints"
        # Which camera a token is from; zero at first, so that one camera is as in the paper.
        self.camera = nn.ParameterList(torch.zeros(config.dim_model) for _ in self.cameras)

    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """Return s_x. Shape (B, N, C)."""
        return self.encode(self.embed(batch))

    def embed(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the tokens before they have looked at each other. Shape (B, N, C)."""
        state = batch[STATE] if batch[STATE].ndim == 2 else batch[STATE][:, 0]
        task = self.sequence.embed_task(batch, len(state))
        tokens = [task]
        tokens.append(self.sequence.embed_state(state).unsqueeze(1))
        for name, embed in zip(self.vectors, self.vector_embeddings, strict=True):
            vector = batch[name] if batch[name].ndim == 2 else batch[name][:, 0]
            tokens.append(embed(vector).unsqueeze(1))
        for number, name in enumerate(self.cameras):
            image = batch[name] if batch[name].ndim == 4 else batch[name][:, 0]
            backbone = self.vision[number % len(self.vision)]
            tokens.append(backbone(image, task.squeeze(1)) + self.camera[number])
        return torch.cat(tokens, 1)

    def encode(self, tokens: Tensor) -> Tensor:
        """Let the tokens look at each other. (B, N, C) -> (B, N, C)."""
        return self.sequence.encoder(tokens)

    def seen(self, tokens: Tensor) -> list[Tensor]:
        """Return the tokens of task and images that answer for each goal.

        (B, N, C) -> 2 x (B, M, C).
        """
        task, images = tokens[:, :1], tokens[:, 2 + len(self.vectors) :]
        shares = [
            images[:, goal :: len(GOALS)] if self.token_per_goal else images
            for goal in range(len(GOALS))
        ]
        return [torch.cat([task, share], 1) for share in shares]


class SequenceEncoder(nn.Module):
    """The part of the context encoder that the target encoder is a copy of."""

    def __init__(self, config: ActJepaConfig, state_width: int) -> None:
        """Make the embeddings of task and state, and the encoder."""
        super().__init__()
        self.task = nn.Embedding(max(len(config.tasks), 1), config.dim_model)
        self.embed_state = nn.Linear(state_width, config.dim_model)
        self.encoder = Encoder(
            config.dim_model,
            config.n_heads,
            config.dim_feedforward,
            config.n_encoder_layers,
            config.dropout,
            pre_norm=config.pre_norm,
        )

    def embed_task(self, batch: Mapping[str, Any], size: int) -> Tensor:
        """Return the task token. Shape (B, 1, C)."""
        if self.task.num_embeddings == 1:
            return self.task.weight.expand(size, 1, -1)
        return self.task(batch["task_index"].reshape(size, 1).long())


class ActionDecoder(nn.Module):
    """Actions from the context; the same head as the baseline's [P 4.4]."""

    def __init__(self, config: ActJepaConfig) -> None:
        """Make queries, layers and the last projection."""
        super().__init__()
        action = config.action_feature
        assert action is not None  # validate_features has seen to it
        self.decoder = QueryDecoder(
            config.chunk_size,
            config.dim_model,
            config.n_heads,
            config.dim_feedforward,
            config.n_decoder_layers,
            config.dropout,
            pre_norm=config.pre_norm,
        )
        self.project = nn.Linear(config.dim_model, action.shape[0])

    def forward(self, context: Tensor) -> Tensor:
        """Return the actions. (B, N, C) -> (B, T, A)."""
        return self.project(self.decoder(context))


class TargetEncoder(nn.Module):
    """Latents of the states to come: a copy that follows by moving average and is not trained.

    The paper's copy carries the image backbone too, which never sees an image; it is left out.
    """

    def __init__(self, sequence: SequenceEncoder) -> None:
        """Start as an exact copy."""
        super().__init__()
        self.sequence = copy.deepcopy(sequence).requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, batch: Mapping[str, Any]) -> Tensor:
        """Return s_y. `observation.state` (B, T, S) -> (B, T, C)."""
        states = batch[STATE]
        embedded = self.sequence.embed_state(states)  # (B, T, C)
        embedded = embedded + sine_1d(*embedded.shape[1:], embedded.device)
        task = self.sequence.embed_task(batch, len(states))
        ended = batch[f"{STATE}_is_pad"]
        padding = torch.cat([torch.zeros_like(ended[:, :1]), ended], 1)
        return self.sequence.encoder(torch.cat([task, embedded], 1), padding)[:, 1:]

    @torch.no_grad()
    def follow(self, sequence: SequenceEncoder, momentum: float) -> None:
        """Move towards the context encoder: target = m target + (1 - m) context."""
        pairs = zip(self.sequence.parameters(), sequence.parameters(), strict=True)
        for mine, theirs in pairs:
            mine.mul_(momentum).add_(theirs, alpha=1.0 - momentum)

    def train(self, mode: bool = True) -> "TargetEncoder":
        """Stay in evaluation mode: targets without dropout."""
        return super().train(False)


class WorldModel(nn.Module):
    """Target encoder and the narrow predictor of its latents [P 3.2.3]."""

    def __init__(self, config: ActJepaConfig, sequence: SequenceEncoder) -> None:
        """Make the predictor and copy the target."""
        super().__init__()
        self.normalize_target = config.normalize_target
        self.alarm = config.alarm_std, config.alarm_rank
        self.target = TargetEncoder(sequence)
        self.narrow = nn.Linear(config.dim_model, config.predictor_dim)
        self.predictor = QueryDecoder(
            config.chunk_size,
            config.predictor_dim,
            config.n_heads,
            config.predictor_feedforward,
            config.n_predictor_layers,
            config.dropout,
            pre_norm=config.pre_norm,
        )
        self.widen = nn.Linear(config.predictor_dim, config.dim_model)

    def predict(self, context: Tensor, padding: Tensor) -> Tensor:
        """Return s_y'. (B, N, C) -> (B, T, C)."""
        return self.widen(self.predictor(self.narrow(context), padding))

    def forward(
        self, context: Tensor, batch: Mapping[str, Any]
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the latent loss, eq. 2, and how far the latents are from collapse."""
        ended = batch[f"{STATE}_is_pad"]
        latent = self.target(batch)
        if self.normalize_target:
            latent = functional.layer_norm(latent, latent.shape[-1:])
        loss = masked_l1(self.predict(context, ended), latent, ~ended)
        deviation, rank = latent_spread(latent, ~ended)
        return loss, {
            "latent_loss": loss.item(),
            "latent_std": deviation.item(),
            "latent_rank": rank.item(),
        }


class HindsightHead(nn.Module):
    """Guesses from task and images alone where the gripper will next close and open.

    It makes the image tokens find the objects; nothing of it is used when acting.
    """

    def __init__(self, tokens: int, dim: int, goals: int) -> None:
        """Make a head per goal for `tokens` tokens of width `dim`, `goals` numbers in all."""
        super().__init__()
        self.guess = nn.ModuleList(
            nn.Sequential(
                nn.Linear(tokens * dim, dim), nn.ReLU(), nn.Linear(dim, goals // len(GOALS))
            )
            for _ in GOALS
        )

    def forward(self, seen: list[Tensor], goals: Tensor) -> Tensor:
        """Return the mean absolute error over the goals that exist.

        Args:
            seen: Tokens of task and images for each goal. 2 x (B, M, C).
            goals: Normalised; NaN where none follows. Shape (B, G).
        """
        guesses = [f(x.flatten(1)) for f, x in zip(self.guess, seen, strict=True)]
        guess = torch.cat(guesses, 1)  # (B, G)
        return masked_l1(guess.unsqueeze(-1), goals.unsqueeze(-1), ~goals.isnan())
