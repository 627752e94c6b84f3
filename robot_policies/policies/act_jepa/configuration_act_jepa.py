"""Every number of ACT-JEPA, with its source.

Sources: [P] the paper, arXiv 2501.14622 v4; [C] the authors' code where the paper is silent;
[own] chosen here. The defaults are the paper's; `ActJepaConfig.small` is for CPUs.
"""

from dataclasses import dataclass, field
from typing import Any

from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import NormalizationMode
from lerobot.optim import AdamWConfig
from lerobot.optim.schedulers import CosineAnnealingWithWarmupSchedulerConfig, LRSchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.interface.observation import STATE
from robot_policies.learning.configuration import PolicyConfig

ACTION = "action"
GOALS = ("closing", "opening")  # of the gripper: what hindsight tells of a demonstration
OBJECTIVES = {
    "joint": "action and latent loss together, eq. 3: ACT-JEPA",
    "act": "action loss alone, nothing of the world model built: ACT without CVAE, the baseline",
    "pretrain": "latent loss alone, first stage of Table 3",
    "frozen": "a new action decoder on a frozen context encoder, second stage of Table 3",
}
BACKBONES = {
    "resnet18": "ResNet-18 with batch norm, one token per cell of its last map [C]",
    "cnn": "five strided convolutions with group norm, tokens likewise; trains from scratch",
    "keypoints": "two convolutions and a spatial soft-argmax, two tokens per camera; for CPUs",
}


@PreTrainedConfig.register_subclass("act_jepa")
@dataclass
class ActJepaConfig(PolicyConfig):
    """Numbers of ACT-JEPA and of its ACT baseline, which is built from the same blocks.

    Attributes:
        objective: What is trained; one of `OBJECTIVES`.
        labelled_episodes: Episodes with actions; the others teach the world model alone. `None`
            is all, except those whose recorded actions are NaN.
        restart_schedule: Start a new run from `--policy.path` instead of resuming the old one.
        robot: Name of the robot; its joints are then checked and `contract.yaml` is written.
            Taken from the data set if that names a known robot.
        dt: Time between two actions, from the data set. [s]
        tasks: Instructions the policy knows, from the data set; the token is the index.
        element_names: Names of the elements of each vector feature, from the data set.
        element_units: Their units, which the data set has to say if the robot is known.
    """

    objective: str = "joint"
    chunk_size: int = 30  # [C]; index 0 is the current step for states and actions alike
    n_action_steps: int = 30  # the whole chunk, open loop [C]
    temporal_ensemble_coeff: float | None = None  # off in the paper; 0.01 in ACT
    n_obs_steps: int = 1

    # Context encoder and action decoder [C configs]; the target encoder is a copy of the former.
    dim_model: int = 512
    n_heads: int = 8
    dim_feedforward: int = 2048
    n_encoder_layers: int = 4
    n_decoder_layers: int = 1
    dropout: float = 0.1
    pre_norm: bool = False

    # Predictor: narrow, cross-attention to the context instead of concatenation [P 3.2.3].
    predictor_dim: int = 128
    predictor_feedforward: int = 512
    n_predictor_layers: int = 4
    normalize_target: bool = False  # I-JEPA's layer norm of the target; off in ACT-JEPA [C]

    # Images in [0, 1], without ImageNet mean and deviation [C train_utils.py].
    vision_backbone: str = "resnet18"
    pretrained_backbone_weights: str | None = "ResNet18_Weights.IMAGENET1K_V1"

    # Exponential moving average of the target encoder, linear in the step [P 3.2.2, C].
    momentum_start: float = 0.996
    momentum_end: float = 1.0
    total_steps: int = 4000  # equals --steps; `robot-policies train` sees to it

    # Collapse alarm [own; not calibrated on failures, none was seen].
    alarm_std: float = 0.1
    alarm_rank: float = 2.0

    # Where the gripper will next close and open, read backwards off each demonstration, as an
    # auxiliary target of the image tokens [own]. 0 is off, as in the paper.
    hindsight_weight: float = 0.0
    hindsight_joint: str = "gripper"

    # Optimiser [C configs]; backbone at the same rate, clipping is the HF Trainer's default.
    optimizer_lr: float = 6e-4
    optimizer_weight_decay: float = 0.1
    optimizer_betas: tuple[float, float] = (0.9, 0.999)
    optimizer_grad_clip_norm: float = 1.0
    warmup_fraction: float = 0.04

    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: {
            "VISUAL": NormalizationMode.IDENTITY,
            # The paper normalises on Push-T only; raw joint angles of a robot differ in scale.
            "STATE": NormalizationMode.MEAN_STD,
            "ENV": NormalizationMode.MEAN_STD,
            "ACTION": NormalizationMode.MEAN_STD,
        }
    )

    labelled_episodes: list[int] | None = None
    restart_schedule: bool = False
    robot: str = ""
    dt: float = 0.0
    tasks: list[str] = field(default_factory=list)
    element_names: dict[str, list[str]] = field(default_factory=dict)
    element_units: dict[str, list[str]] = field(default_factory=dict)
    push_to_hub: bool = False  # pyright: ignore[reportIncompatibleMethodOverride]

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        super().__post_init__()
        if self.objective not in OBJECTIVES:
            raise UnknownNameError("objective", self.objective, OBJECTIVES)
        if self.vision_backbone not in BACKBONES:
            raise UnknownNameError("vision_backbone", self.vision_backbone, BACKBONES)
        if not 1 <= self.n_action_steps <= self.chunk_size:
            raise ConfigError(
                f"n_action_steps must be in [1, chunk_size = {self.chunk_size}], got "
                f"{self.n_action_steps}"
            )
        if self.temporal_ensemble_coeff is not None and self.n_action_steps != 1:
            raise ConfigError(
                "temporal ensembling predicts at every step: n_action_steps must be 1, got "
                f"{self.n_action_steps}"
            )
        self.require("n_obs_steps", self.n_obs_steps == 1, "1")
        for name in ("dim_model", "predictor_dim"):
            if getattr(self, name) % (4 * self.n_heads):
                raise ConfigError(
                    f"{name} must be a multiple of 4 n_heads = {4 * self.n_heads}, got "
                    f"{getattr(self, name)}"
                )
        if not 0.0 <= self.momentum_start <= self.momentum_end <= 1.0:
            raise ConfigError(
                "momentum must rise within [0, 1], got "
                f"{self.momentum_start} to {self.momentum_end}"
            )
        self.require("total_steps", self.total_steps >= 1, ">= 1")

    @classmethod
    def paper(cls, **overrides: Any) -> "ActJepaConfig":
        """Return the sizes of the paper: 29 M trained parameters with ResNet-18."""
        return cls(**overrides)

    @classmethod
    def small(cls, **overrides: Any) -> "ActJepaConfig":
        """Return sizes for CPUs: 0.9 M parameters with two cameras."""
        return cls(**{**SMALL, **overrides})

    @property
    def predicts_world(self) -> bool:
        """Whether target encoder and predictor take part."""
        return self.objective in ("joint", "pretrain")

    @property
    def sequence_features(self) -> tuple[str, ...]:
        """Observations of which the future is loaded; of all others, the current one."""
        return (STATE,)

    @property
    def observation_delta_indices(self) -> list[int] | None:
        """Steps of the future that are loaded, the current one first."""
        return list(range(self.chunk_size)) if self.predicts_world else None

    @property
    def action_delta_indices(self) -> list[int]:
        """Actions that are predicted, the current one first."""
        return list(range(self.chunk_size))

    def validate_features(self) -> None:
        """Refuse inputs without a state, or outputs without an action.

        Raises:
            ConfigError: Saying what there is instead.
        """
        if self.robot_state_feature is None:
            raise ConfigError(
                f"act_jepa needs '{STATE}', whose future it predicts; there is only "
                f"{sorted(self.input_features or {})}"
            )
        if self.action_feature is None:
            raise ConfigError(
                f"act_jepa needs '{ACTION}'; there is only {sorted(self.output_features or {})}"
            )

    def get_optimizer_preset(self) -> AdamWConfig:
        """Return AdamW."""
        return AdamWConfig(
            lr=self.optimizer_lr,
            betas=self.optimizer_betas,
            weight_decay=self.optimizer_weight_decay,
            grad_clip_norm=self.optimizer_grad_clip_norm,
        )

    def get_scheduler_preset(self) -> "ActJepaScheduleConfig":
        """Return linear warm-up and a cosine to zero."""
        return ActJepaScheduleConfig(
            num_warmup_steps=round(self.warmup_fraction * self.total_steps),
            total_steps=self.total_steps,
        )


@LRSchedulerConfig.register_subclass("act_jepa")
@dataclass
class ActJepaScheduleConfig(LRSchedulerConfig):
    """Cosine with warm-up that knows how long the momentum of the target encoder rises.

    LeRobot tells a policy nothing about the length of a run, and a momentum that reaches 1 too
    early freezes the target unnoticed; here is the one place that sees both numbers.
    """

    num_warmup_steps: int
    total_steps: int = 0

    def build(self, optimizer: Optimizer, num_training_steps: int) -> LambdaLR:
        """Return the schedule.

        Raises:
            ConfigError: If the run is not as long as the momentum's schedule.
        """
        if num_training_steps != self.total_steps:
            raise ConfigError(
                f"--steps is {num_training_steps}, but --policy.total_steps, over which the "
                f"target's momentum rises, is {self.total_steps}; give both the same number"
            )
        cosine = CosineAnnealingWithWarmupSchedulerConfig(self.num_warmup_steps)
        return cosine.build(optimizer, num_training_steps)


SMALL: dict[str, Any] = {
    "chunk_size": 20,
    "n_action_steps": 10,
    "dim_model": 128,
    "n_heads": 4,
    "dim_feedforward": 512,
    "n_encoder_layers": 2,
    "dropout": 0.0,
    "pre_norm": True,
    "predictor_dim": 64,
    "predictor_feedforward": 256,
    "n_predictor_layers": 2,
    "vision_backbone": "keypoints",
    "pretrained_backbone_weights": None,
    "optimizer_lr": 1e-3,
    "optimizer_weight_decay": 1e-4,
    "optimizer_betas": (0.9, 0.99),
    "total_steps": 2000,
}
