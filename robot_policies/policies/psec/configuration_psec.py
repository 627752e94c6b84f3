"""Numbers of PSEC's diffusion policy.

Sources: [P] the paper, arXiv 2502.05932; [C] the authors' MetaDrive code, the only one published;
[own] chosen here.
"""

from dataclasses import dataclass, field
from typing import Any

from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import NormalizationMode
from lerobot.optim import AdamWConfig, CosineDecayWithWarmupSchedulerConfig

from robot_policies.interface import ActionKind, ConfigError, UnknownNameError
from robot_policies.learning.configuration import PolicyConfig
from robot_policies.learning.elements import ACTION

NETWORKS = ("ln_resnet", "mlp")
ACTIVATIONS = ("mish", "relu", "silu")
BOUNDED = (NormalizationMode.MIN_MAX, NormalizationMode.QUANTILES, NormalizationMode.IDENTITY)


@PreTrainedConfig.register_subclass("psec")
@dataclass
class PsecConfig(PolicyConfig):
    """A noise predictor for one action, or a chunk of them, given all vectors of an observation.

    Attributes:
        network: `ln_resnet`, the paper's, or `mlp`, three plain layers for small computers.
        activation: Part of what a skill was trained on, and so of the base's hash.
        robot: Name of a robot's table; with it, names are checked and `contract.yaml` written.
        dt: Time between two actions; taken from the data set. [s]
        action_kind: What the elements of an action are.
        element_names: Elements of each vector; taken from the data set.
        element_units: Their units; of joints, taken from the robot's table.
    """

    n_obs_steps: int = 1
    chunk_size: int = 1  # no chunks in [P, C]
    n_action_steps: int = 1

    # Network [C jaxrl5/networks]: 1.6 M parameters with 17 observations and 6 actions.
    network: str = "ln_resnet"
    activation: str = "mish"
    hidden: int = 256
    n_blocks: int = 3
    expansion: int = 4  # a block widens to 1024
    dropout: float = 0.1
    n_frequencies: int = 32
    frequency_std: float = 0.2
    time_dim: int = 128

    # Diffusion [C]: variance preserving, ancestral sampling, clipped after every step.
    n_denoising_steps: int = 5
    beta_min: float = 0.1
    beta_max: float = 10.0
    temperature: float = 1.0  # scale of the sampler's noise after the first draw

    # Training [C]; theirs runs 1 M steps of 2048 samples.
    average_rate: float = 1e-3  # of the exponential moving average, which is what acts
    optimizer_lr: float = 3e-4
    optimizer_weight_decay: float = 1e-4  # optax's default
    optimizer_grad_clip_norm: float = 10.0  # none in [C]; stops a broken batch only [own]
    scheduler_decay_steps: int = 1_000_000  # LeRobot shortens it to the run

    # Observations are raw in [C]; here of mixed units, so normalised [own]. Actions must end up in
    # [-1, 1], where the sampler clips.
    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: {
            "STATE": NormalizationMode.MEAN_STD,
            "ENV": NormalizationMode.MEAN_STD,
            "ACTION": NormalizationMode.MIN_MAX,
        }
    )

    robot: str = ""
    dt: float = 0.0
    action_kind: str = str(ActionKind.JOINT_POSITION)
    element_names: dict[str, list[str]] = field(default_factory=dict)
    element_units: dict[str, list[str]] = field(default_factory=dict)
    push_to_hub: bool = False  # pyright: ignore[reportIncompatibleMethodOverride]

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        super().__post_init__()
        for name, value, known in (
            ("network", self.network, NETWORKS),
            ("activation", self.activation, ACTIVATIONS),
            ("action_kind", self.action_kind, list(ActionKind)),
        ):
            if value not in known:
                raise UnknownNameError(name, value, known)
        for name in ("hidden", "n_blocks", "expansion", "n_frequencies", "time_dim"):
            self.require(name, getattr(self, name) >= 1, ">= 1")
        self.require("n_denoising_steps", self.n_denoising_steps >= 2, ">= 2")
        self.require("dropout", 0.0 <= self.dropout < 1.0, "in [0, 1)")
        self.require("beta_min", 0.0 < self.beta_min < self.beta_max, "in (0, beta_max)")
        self.require("temperature", self.temperature >= 0.0, ">= 0")
        self.require("average_rate", 0.0 < self.average_rate <= 1.0, "in (0, 1]")
        self.require("n_obs_steps", self.n_obs_steps == 1, "1")
        self.require(
            "n_action_steps",
            1 <= self.n_action_steps <= self.chunk_size,
            f"in [1, chunk_size = {self.chunk_size}]",
        )
        mode = self.normalization_mapping.get("ACTION")
        if mode not in BOUNDED:
            raise ConfigError(
                f"normalization_mapping: ACTION is {mode}, but the sampler clips to [-1, 1]; "
                f"use one of {[str(bounded.value) for bounded in BOUNDED]}"
            )

    @property
    def observation_width(self) -> int:
        """Numbers in one observation, all features after each other."""
        return sum(feature.shape[0] for feature in (self.input_features or {}).values())

    @property
    def action_width(self) -> int:
        """Numbers in one action."""
        return (self.output_features or {})[ACTION].shape[0]

    @property
    def action_delta_indices(self) -> list[int]:
        """Actions that are predicted, the current one first."""
        return list(range(self.chunk_size))

    def validate_features(self) -> None:
        """Refuse inputs that are no vectors, or outputs without an action.

        Raises:
            ConfigError: Saying what there is instead.
        """
        shapes = {name: tuple(f.shape) for name, f in (self.input_features or {}).items()}
        if not shapes or any(len(shape) != 1 for shape in shapes.values()):
            raise ConfigError(f"psec reads vectors only, at least one; the inputs are {shapes}")
        if self.action_feature is None or list(self.output_features or {}) != [ACTION]:
            given = sorted(self.output_features or {})
            raise ConfigError(f"psec answers with '{ACTION}'; the outputs are {given}")

    def get_optimizer_preset(self) -> AdamWConfig:
        """Return AdamW."""
        return AdamWConfig(
            lr=self.optimizer_lr,
            betas=(0.9, 0.999),
            weight_decay=self.optimizer_weight_decay,
            grad_clip_norm=self.optimizer_grad_clip_norm,
        )

    def get_scheduler_preset(self) -> Any:
        """Return a cosine to zero, without warm-up."""
        return CosineDecayWithWarmupSchedulerConfig(
            num_warmup_steps=0,
            num_decay_steps=self.scheduler_decay_steps,
            peak_lr=self.optimizer_lr,
            decay_lr=0.0,
        )
