"""Numbers of GRAPE's policy.

Sources: [P] the paper, arXiv 2411.19309; [O] OpenVLA, which it aligns; [own] chosen here, for a
network that is trained from nothing on one core.
"""

from dataclasses import dataclass, field
from typing import Any

from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import NormalizationMode
from lerobot.optim import AdamWConfig, CosineDecayWithWarmupSchedulerConfig

from robot_policies.interface import ActionKind, ConfigError, UnknownNameError
from robot_policies.interface.observation import STATE
from robot_policies.learning.configuration import PolicyConfig
from robot_policies.learning.elements import ACTION

DECODINGS = {
    "parallel": "all elements at once, independent of each other given the observation",
    "autoregressive": "element after element, each given those before [O]",
}
CONVENTIONS = {
    "dedicated": "a token of its own for each bin, behind all words",
    "openvla": "the last ids of a language model's own words, OpenVLA's bins and prompt [O]",
}


@PreTrainedConfig.register_subclass("grape")
@dataclass
class GrapeConfig(PolicyConfig):
    """A small SmolVLM that answers a picture and an instruction with action tokens.

    Attributes:
        vlm_source: Folder or hub id of an image-text-to-text model to begin with; if empty, the
            small network from nothing. A checkpoint holds what it needs of it.
        language_model: What such a model says of itself.
        image_processor: How its pictures are scaled.
        convention: One of `CONVENTIONS`: which tokens are actions.
        vocabulary: Ids of its tokenizer, where these are its last.
        camera: The picture it looks at; other cameras of a data set are left out.
        decoding: One of `DECODINGS`.
        temperature: Of the tokens when it acts; 0 takes the likeliest.
        words: Its vocabulary, from the data set.
        varied: Elements of an action that vary in the data set; only these are tokens.
        keypoints: Elements of `observation.environment_state` that the training learns to see.
        robot: Name of the robot's table; `contract.yaml` needs it.
        dt: Time between two actions, from the data set. [s]
        action_kind: What the elements of an action are.
        element_names: Elements of each vector, from the data set.
        element_units: Their units.
    """

    n_obs_steps: int = 1
    chunk_size: int = 1  # one action per answer [P, O]
    n_action_steps: int = 1

    vlm_source: str = ""
    language_model: dict[str, Any] = field(default_factory=dict)
    image_processor: dict[str, Any] = field(default_factory=dict)
    convention: str = "dedicated"
    vocabulary: int = 0

    # The network [own]: 1 M parameters. A convolutional stem and the keypoints are what makes it
    # look where it should; without either it does not find the pad in ten times the training.
    camera: str = "observation.images.top"
    image_size: int = 96
    patch_size: int = 12  # 8 x 8 patches
    hidden: int = 128
    heads: int = 4
    vision_layers: int = 1
    text_layers: int = 2
    scale_factor: int = 4  # pixels of the patch map that become one token: 4 image tokens
    max_words: int = 16
    decoding: str = "parallel"
    bins: int = 256  # per element [O]
    temperature: float = 0.0

    keypoint_weight: float = 5.0  # of the auxiliary loss, 0 is none [own]

    # Training [own]; the paper's SFT of 7 B parameters has lr 4e-5, batch 16.
    optimizer_lr: float = 1e-3
    optimizer_betas: tuple[float, float] = (0.9, 0.95)
    optimizer_weight_decay: float = 0.01
    optimizer_grad_clip_norm: float = 1.0
    scheduler_warmup_steps: int = 50
    scheduler_decay_steps: int = 3000

    # Actions between their 1 % and 99 % quantiles are [-1, 1] [O].
    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: {
            "VISUAL": NormalizationMode.IDENTITY,
            "STATE": NormalizationMode.MEAN_STD,
            "ACTION": NormalizationMode.QUANTILES,
        }
    )

    words: list[str] = field(default_factory=list)
    varied: list[int] = field(default_factory=list)
    keypoints: list[str] = field(default_factory=list)
    robot: str = ""
    dt: float = 0.0
    action_kind: str = str(ActionKind.CARTESIAN_DELTA)
    element_names: dict[str, list[str]] = field(default_factory=dict)
    element_units: dict[str, list[str]] = field(default_factory=dict)
    push_to_hub: bool = False  # pyright: ignore[reportIncompatibleMethodOverride]

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        super().__post_init__()
        if self.decoding not in DECODINGS:
            raise UnknownNameError("decoding", self.decoding, DECODINGS)
        if self.convention not in CONVENTIONS:
            raise UnknownNameError("convention", self.convention, CONVENTIONS)
        if self.convention == "openvla":
            self.require("decoding", self.decoding == "autoregressive", "autoregressive")
            model = self.vlm_source or self.language_model
            self.require("vlm_source", bool(model), "a language model, to have OpenVLA's tokens")
        if self.action_kind not in list(ActionKind):
            raise UnknownNameError("action_kind", self.action_kind, list(ActionKind))
        for name in ("hidden", "heads", "vision_layers", "text_layers", "max_words"):
            self.require(name, getattr(self, name) >= 1, ">= 1")
        self.require("bins", self.bins >= 2, ">= 2")
        self.require("temperature", 0.0 <= self.temperature < 100.0, "in [0, 100)")
        self.require("keypoint_weight", self.keypoint_weight >= 0.0, ">= 0")
        self.require("hidden", self.hidden % self.heads == 0, f"a multiple of heads {self.heads}")
        self.require("patch_size", self.patch_size % 4 == 0, "a multiple of 4")
        self.require("image_size", self.image_size % self.patch_size == 0, "whole patches")
        grid = self.image_size // self.patch_size
        self.require("scale_factor", grid % self.scale_factor == 0, f"a divisor of {grid} patches")
        for name in ("n_obs_steps", "chunk_size", "n_action_steps"):
            self.require(name, getattr(self, name) == 1, "1")

    @property
    def action_delta_indices(self) -> list[int]:
        """The current action."""
        return [0]

    def validate_features(self) -> None:
        """Refuse anything but joints, one picture and an action.

        Raises:
            ConfigError: Saying what there is instead.
        """
        shapes = {name: tuple(f.shape) for name, f in (self.input_features or {}).items()}
        picture = (3, self.image_size, self.image_size)
        if shapes.keys() != {STATE, self.camera} or shapes[self.camera] != picture:
            raise ConfigError(
                f"grape reads '{STATE}' and '{self.camera}' of shape {picture}; the inputs are "
                f"{shapes}"
            )
        if self.action_feature is None or list(self.output_features or {}) != [ACTION]:
            given = sorted(self.output_features or {})
            raise ConfigError(f"grape answers with '{ACTION}'; the outputs are {given}")
        width = self.action_feature.shape[0]
        if not self.varied or not set(self.varied) <= set(range(width)):
            raise ConfigError(
                f"varied: {self.varied} must be some of the {width} elements of an action"
            )
        if not (self.words or self.vlm_source or self.language_model):
            raise ConfigError("words: the vocabulary is empty, no instruction could be given")

    def get_optimizer_preset(self) -> AdamWConfig:
        """Return AdamW."""
        return AdamWConfig(
            lr=self.optimizer_lr,
            betas=self.optimizer_betas,
            weight_decay=self.optimizer_weight_decay,
            grad_clip_norm=self.optimizer_grad_clip_norm,
        )

    def get_scheduler_preset(self) -> Any:
        """Return a warm-up and a cosine to 1 %."""
        return CosineDecayWithWarmupSchedulerConfig(
            num_warmup_steps=self.scheduler_warmup_steps,
            num_decay_steps=self.scheduler_decay_steps,
            peak_lr=self.optimizer_lr,
            decay_lr=0.01 * self.optimizer_lr,
        )
