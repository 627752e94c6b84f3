"""Numbers of the quadruped policy; what describes the robot is filled from its table.

Sources: [wtw] walk-these-ways and Uni-O4's fork of it, `go1_config.py`; [own] chosen here.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature
from lerobot.optim import AdamConfig

from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import COMMAND, IMU, STATE, VELOCITY_COMMAND
from robot_policies.learning.configuration import PolicyConfig
from robot_policies.policies.uni_o4.frame import FrameLayout

ACTION = "action"
ROBOT_FIELDS = ("default_position", "lower", "upper", "velocity", "acceleration")
SERVO_FIELDS = ("effort", "stiffness", "damping")


@PreTrainedConfig.register_subclass("uni_o4")
@dataclass
class UniO4Config(PolicyConfig):
    """A symmetric Gaussian actor over five frames of what a real quadruped measures.

    Make one with `UniO4Config.for_robot`; the empty defaults exist for LeRobot's parser only.

    Attributes:
        robot: Name of the robot the numbers are of.
        joint_names: Order of the action, and of the positions and velocities in the state.
        default_position: Pose that action 0 stands for. [rad]
        lower: Lower position limits. [rad]
        upper: Upper position limits. [rad]
        velocity: Speed limits. [rad/s]
        acceleration: Limits on the second difference of the target. [rad/s^2]
        effort: Torque limits. [N m]
        stiffness: Servo stiffness the policy is trained with. [N m/rad]
        damping: Servo damping the policy is trained with. [N m s/rad]
    """

    robot: str = ""
    joint_names: list[str] = field(default_factory=list)
    default_position: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    velocity: list[float] = field(default_factory=list)
    acceleration: list[float] = field(default_factory=list)
    effort: list[float] = field(default_factory=list)
    stiffness: list[float] = field(default_factory=list)
    damping: list[float] = field(default_factory=list)

    dt: float = 0.02  # s between two actions [wtw]
    history: int = 5  # frames seen; Uni-O4's fork, walk-these-ways itself sees 30
    gait_frequency: float = 2.0  # Hz of the trot clock; lowest of wtw's 2 to 4, theirs is 3 [own]
    standing_command: float = 0.1  # |vx| + |vy| + |yaw| below which the clock stops [own]
    hidden: list[int] = field(default_factory=lambda: [256, 128])  # ELU; [wtw] 512, 256, 128
    initial_std: float = 0.8  # of the action, in units of `action_scale` [own: 1.0 falls more]

    exploration: float = 0.0  # deviation of noise on each action, to log walks to learn from [own]

    # Normalisation, as standard deviations of LeRobot's normaliser. They are fixed, not measured:
    # statistics of a data set would differ left from right and break the mirror symmetry.
    action_scale: float = 0.25  # rad [wtw]
    velocity_scale: float = 20.0  # rad/s of the joints [wtw: 0.05]
    turn_scale: float = 4.0  # rad/s of the trunk [wtw: 0.25]
    command_scale: list[float] = field(default_factory=lambda: [0.5, 0.5, 4.0])  # [wtw]
    observation_clip: float = 20.0  # after normalisation [own]

    limit_fraction: float = 0.9  # of speed, acceleration and torque limits a target may ask [own]
    position_margin: float = 0.01  # rad kept from the position limits [own]

    n_obs_steps: int = 1  # the policy keeps the history itself
    chunk_size: int = 1
    n_action_steps: int = 1
    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: {
            "STATE": NormalizationMode.MEAN_STD,
            "ACTION": NormalizationMode.MEAN_STD,
        }
    )
    device: str | None = "cpu"
    push_to_hub: bool = False  # pyright: ignore[reportIncompatibleMethodOverride]
    optimizer_lr: float = 1e-4  # behaviour cloning, upstream `main.py`

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        super().__post_init__()
        for name in ROBOT_FIELDS + SERVO_FIELDS:
            values = getattr(self, name)
            if len(values) != len(self.joint_names) or not np.isfinite(values).all():
                raise ConfigError(
                    f"{name} must hold {len(self.joint_names)} finite numbers, got {values}"
                )
        for joint, low, middle, high in zip(
            self.joint_names, self.lower, self.default_position, self.upper, strict=True
        ):
            if not low + self.position_margin < middle < high - self.position_margin:
                raise ConfigError(f"{joint}: default {middle} rad is not inside [{low}, {high}]")
        for name in ("dt", "history", "gait_frequency", "initial_std", "action_scale"):
            self.require(name, getattr(self, name) > 0, "> 0")
        for name in ("velocity", "acceleration", *SERVO_FIELDS[:2]):
            self.require(name, all(value > 0.0 for value in getattr(self, name)), "> 0")
        self.require("exploration", 0.0 <= self.exploration < np.inf, ">= 0")
        self.require("limit_fraction", 0.0 < self.limit_fraction <= 1.0, "in (0, 1]")
        if self.chunk_size != 1 or self.n_action_steps != 1 or self.n_obs_steps != 1:
            raise ConfigError("uni_o4 answers one observation with one action")
        mirror_map(self.joint_names)

    @classmethod
    def for_robot(cls, robot: RobotSpec, **overrides: Any) -> "UniO4Config":
        """Return the configuration for a quadruped's table.

        Args:
            robot: The robot; its joints come in left-right pairs.
            **overrides: Any other field.
        """
        gains = robot.gains["policy"]
        return cls(
            robot=robot.name,
            joint_names=list(robot.joint_names),
            default_position=robot.default.tolist(),
            stiffness=gains.stiffness.tolist(),
            damping=gains.damping.tolist(),
            dt=1.0 / robot.control_rate,
            **{
                name: getattr(robot, name).tolist()
                for name in ("lower", "upper", "velocity", "acceleration", "effort")
            },
            input_features={
                STATE: PolicyFeature(FeatureType.STATE, (2 * len(robot.joints),)),
                IMU: PolicyFeature(FeatureType.STATE, (10,)),
                VELOCITY_COMMAND: PolicyFeature(FeatureType.STATE, (3,)),
                COMMAND: PolicyFeature(FeatureType.STATE, (len(robot.joints),)),
            },
            output_features={ACTION: PolicyFeature(FeatureType.ACTION, (len(robot.joints),))},
            **overrides,
        )

    def validate_features(self) -> None:
        """Refuse a configuration that names no joints or other features."""
        joints = len(self.joint_names)
        wanted = {STATE: (2 * joints,), IMU: (10,), VELOCITY_COMMAND: (3,), COMMAND: (joints,)}
        given = {
            name: tuple(feature.shape) for name, feature in (self.input_features or {}).items()
        }
        output = tuple(self.action_feature.shape) if self.action_feature else None
        if not joints or given != wanted or output != (joints,):
            raise ConfigError(
                f"uni_o4: {joints} joints, inputs {given}, output {output}; expected {wanted} "
                f"and one action per joint (make it with UniO4Config.for_robot)"
            )

    @property
    def frame_width(self) -> int:
        """Numbers in one frame."""
        return FrameLayout(len(self.joint_names)).width

    @property
    def observation_delta_indices(self) -> list[int]:
        """Frames a data set must give for `forward`."""
        return list(range(1 - self.history, 1))

    @property
    def action_delta_indices(self) -> list[int]:
        """The action before each frame, and the one to imitate."""
        return list(range(-self.history, 1))

    def get_optimizer_preset(self) -> AdamConfig:
        """Return the optimiser of behaviour cloning."""
        return AdamConfig(lr=self.optimizer_lr)

    def get_scheduler_preset(self) -> None:
        """Return no schedule."""
        return


def mirror_map(joint_names: list[str]) -> tuple[list[int], list[float]]:
    """Return how joint values look in a mirror along the robot's x-z plane.

    The leg prefix carries the side as its second letter (`FR_`, `RL_`); hips roll, so their sign
    turns round, thighs and calves pitch, so theirs does not.

    Returns:
        For each joint, the index of its partner and the sign its partner's value takes.

    Raises:
        ConfigError: If a joint has no partner.
    """
    index, sign = [], []
    for name in joint_names:
        partner = name[:1] + {"R": "L", "L": "R"}.get(name[1:2], "?") + name[2:]
        if partner not in joint_names:
            raise ConfigError(
                f"joint '{name}' has no mirror image '{partner}'."
                f"{suggestion(partner, joint_names)}"
            )
        index.append(joint_names.index(partner))
        sign.append(-1.0 if "hip" in name else 1.0)
    return index, sign
