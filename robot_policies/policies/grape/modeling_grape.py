"""GRAPE's policy: an instruction and a picture in, action tokens out, likelihoods exact.

    instruction, picture, joints --> SmolVLM --> 256 bins for each element --> action in [-1, 1]

Letters: `B` batch, `A` elements that vary, `W` width of an action, `K` bins.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.utils.constants import OBS_LANGUAGE_ATTENTION_MASK, OBS_LANGUAGE_TOKENS
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from robot_policies.interface import ContractError
from robot_policies.interface.observation import ENVIRONMENT_STATE, STATE, TASK
from robot_policies.learning.elements import ACTION
from robot_policies.policies.grape.configuration_grape import GrapeConfig
from robot_policies.policies.grape.dataset import describe_elements, prepare
from robot_policies.policies.grape.networks import Draw, Reader, make_vlm
from robot_policies.policies.grape.tokens import Bins, OpenVlaBins
from robot_policies.policies.grape.words import save_tokenizer

WEIGHTS = "model.safetensors"
KEYPOINT_SCALE = 5.0  # 1/m; a table's metres become numbers of order 1
KEYPOINT_BETA = 0.1  # of the smooth L1 loss, 2 cm
KEYPOINT_WIDTH = 128


class GrapePolicy(PreTrainedPolicy):
    """LeRobot's view of the network: batches in, loss or actions out.

    Attributes:
        reader: The language model with its eyes.
        bins: Tokens of one element.
    """

    config_class = GrapeConfig  # pyright: ignore[reportAssignmentType]
    name = "grape"  # pyright: ignore[reportAssignmentType]

    def __init__(
        self, config: GrapeConfig, dataset_meta: Any | None = None, **kwargs: Any
    ) -> None:
        """Make the networks.

        Args:
            config: Numbers of the policy; what a data set knows is filled in.
            dataset_meta: The data set to train on, as LeRobot's training passes it.
            **kwargs: What else LeRobot's factory passes (`dataset_stats`).

        Raises:
            ConfigError: If the data set does not fit.
        """
        super().__init__(config)
        if dataset_meta is not None:
            prepare(config, dataset_meta)
        config.validate_features()
        self.config = config
        count = config.bins
        self.bins = OpenVlaBins(count, count) if config.convention == "openvla" else Bins(count)
        inputs = config.input_features or {}
        joints = inputs[STATE].shape[0]
        if config.vlm_source or config.language_model:
            from robot_policies.policies.grape.hub import HubReader

            self.reader: Reader = HubReader(config, joints)
        else:
            self.reader = Reader(config, joints, make_vlm(config))
        self.keypoints: nn.Module | None = None
        if config.keypoints:
            places = 2 + len(config.keypoints)  # that of the named thing, and all
            self.keypoints = nn.Sequential(
                nn.Linear(self.reader.width, KEYPOINT_WIDTH),
                nn.GELU(),
                nn.Linear(KEYPOINT_WIDTH, places),
            )
        self.reset()

    def reset(self) -> None:
        """Forget the episode."""
        self._queue: deque[Tensor] = deque()

    def observe(self, batch: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return words, their mask, pixels and state, as `Reader` takes them.

        Raises:
            ContractError: If an instruction is too long.
        """
        words, mask = batch[OBS_LANGUAGE_TOKENS], batch[OBS_LANGUAGE_ATTENTION_MASK]
        if words.shape[1] > self.config.max_words:
            raise ContractError(
                f"an instruction of {words.shape[1]} words; the policy reads at most "
                f"{self.config.max_words}"
            )
        return words, mask, batch[self.config.camera], batch[STATE]

    def log_likelihood(self, batch: Mapping[str, Any], tokens: Tensor) -> Tensor:
        """Return the log-probability of each token of given actions, exactly. (B, A).

        Args:
            batch: Normalised features.
            tokens: Bins of the elements that vary. (B, A)

        Raises:
            ContractError: If a token is no bin.
        """
        outside = (tokens < 0) | (tokens >= self.config.bins)
        if outside.any():
            raise ContractError(
                f"token {int(tokens[outside][0])} is no action; there are 0 to "
                f"{self.config.bins - 1}"
            )
        logits, _ = self.reader(*self.observe(batch), tokens)
        return logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)

    @torch.no_grad()
    def decode(
        self, batch: Mapping[str, Any], uniform: Tensor | None, temperature: float
    ) -> tuple[Tensor, Tensor]:
        """Choose actions.

        Args:
            batch: Normalised features.
            uniform: Numbers in [0, 1) that decide, (B, A); `None` takes the likeliest.
            temperature: Of the choice; 0 takes the likeliest.

        Returns:
            Tokens and their log-probabilities at temperature 1. (B, A) each.
        """
        self.eval()
        return self.reader.decode(self.observe(batch), Draw(temperature, uniform))

    def actions_of(self, tokens: Tensor) -> Tensor:
        """Return normalised actions; elements that never varied are as they were. (B, W)."""
        action = self.config.action_feature
        assert action is not None  # validate_features has seen to it
        values = torch.full((len(tokens), action.shape[0]), -1.0, device=tokens.device)
        values[:, self.config.varied] = self.bins.decode(tokens)
        return values

    def tokens_of(self, actions: Tensor) -> Tensor:
        """Return the tokens of normalised actions. (B, W) -> (B, A)."""
        return self.bins.encode(actions[:, self.config.varied])

    @torch.no_grad()
    def predict_action_chunk(self, batch: Mapping[str, Any], **kwargs: Any) -> Tensor:
        """Return the normalised action of now. Shape (B, 1, W).

        Args:
            batch: Normalised features.
            **kwargs: Not used.
        """
        rows, config = len(batch[STATE]), self.config
        uniform = None
        if config.temperature:
            uniform = torch.rand(rows, len(config.varied), device=batch[STATE].device)
        tokens, _ = self.decode(batch, uniform, config.temperature)
        return self.actions_of(tokens).unsqueeze(1)

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Any], **kwargs: Any) -> Tensor:
        """Return the action for this step. Shape (B, W)."""
        return self.predict_action_chunk(batch)[:, 0]

    def forward(self, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of imitation, and what to log.

        Args:
            batch: Normalised features; `action` (B, 1, W) or (B, W); for the keypoints also
                `observation.environment_state` [m] and the instruction `task`.
        """
        action = batch[ACTION].flatten(0, -2)
        tokens = self.tokens_of(action)
        logits, hidden = self.reader(*self.observe(batch), tokens)
        choice = functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())
        loss, log = tokens.shape[1] * choice, {"token_loss": choice.item()}
        if self.keypoints is not None:
            places = self.keypoints(hidden)
            wanted = self.places_of(batch)
            seen = functional.smooth_l1_loss(places, KEYPOINT_SCALE * wanted, beta=KEYPOINT_BETA)
            loss = loss + self.config.keypoint_weight * seen
            away = (places[:, :2] / KEYPOINT_SCALE - wanted[:, :2]).norm(dim=1).median()
            log |= {"keypoint_loss": seen.item(), "named_error_cm": 100.0 * away.item()}
        return loss, log

    @torch.no_grad()
    def where(self, batch: Mapping[str, Any]) -> Tensor:
        """Return where it believes the named thing and all others to be. (B, 2 + keypoints). [m].

        Raises:
            ContractError: If it never learned to see them.
        """
        if self.keypoints is None:
            raise ContractError("this policy was trained without keypoints")
        observed = self.observe(batch)
        blank = observed[0].new_zeros(len(observed[0]), len(self.config.varied))
        return self.keypoints(self.reader(*observed, blank)[1]) / KEYPOINT_SCALE

    def places_of(self, batch: Mapping[str, Any]) -> Tensor:
        """Return where the thing is that the instruction names, and where all are. [m].

        The thing is the one whose name's words stand in the instruction: `blue_pad`.
        """
        places = batch[ENVIRONMENT_STATE].flatten(1)
        things = [name.rpartition(".")[0] for name in self.config.keypoints]
        columns = []
        for instruction in batch[TASK]:
            named = [i for i, t in enumerate(things) if t.replace("_", " ") in instruction]
            if len(named) != 2:
                raise ContractError(
                    f"instruction '{instruction}' must name one of {sorted(set(things))}, x and y"
                )
            columns.append(named)
        index = torch.tensor(columns, device=places.device)
        return torch.cat([places.gather(1, index), places], 1)

    def get_optim_params(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what is trained."""
        return [{"params": [weight for weight in self.parameters() if weight.requires_grad]}]

    def _save_pretrained(
        self, save_directory: Path, state_dict: dict[str, Tensor] | None = None
    ) -> None:
        """Write everything that another machine needs: numbers, weights, words, names."""
        config = replace(self.config, vlm_source="")  # what is saved needs none
        config.save_pretrained(save_directory)
        state = state_dict or self.state_dict()
        save_file(
            {key: value.contiguous() for key, value in state.items()},
            save_directory / WEIGHTS,
            {"format": "pt"},
        )
        save_tokenizer(self.config, save_directory)
        describe_elements(self.config, save_directory)
