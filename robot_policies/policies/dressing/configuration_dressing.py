"""Numbers of the dressing policy.

Sources: [P] the paper, arXiv 2306.12372; [L] the authors' training launcher; [own] chosen here.
"""

from dataclasses import dataclass, field
from typing import Any

from lerobot.configs import FeatureType, PolicyFeature
from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import NormalizationMode
from lerobot.optim import AdamConfig

from robot_policies.interface import ConfigError, RobotSpec, UnknownNameError
from robot_policies.interface.observation import POINTS, STATE
from robot_policies.learning.configuration import PolicyConfig
from robot_policies.learning.elements import ACTION

HEADS = ("dense", "direct")  # Dense Transformation; Direct Vector, its ablation
CLASSES = ("arm", "cloth", "gripper")  # one-hot order [P]
POINT_WIDTH = 3 + len(CLASSES) + 1  # x, y, z, class, whether there is a point
ACTION_WIDTH = 6
HEADING = "observation.heading"  # of the gripper's x axis, which is the network's; (B, 1), rad


@PreTrainedConfig.register_subclass("dressing")
@dataclass
class DressingConfig(PolicyConfig):
    """A displacement of the gripper from segmented points.

    Attributes:
        head: `dense` answers for every point and takes the gripper's row; `direct` answers once.
        width: Factor on the authors' layer widths.
        robot: Robot whose gripper moves.
        link: The gripper's link.
        joint_names: Joints that say where it is.
        classes: Number of the arm's and of the cloth's class in `observation.points`.
        dt: Time between two answers. [s]
    """

    n_obs_steps: int = 1
    chunk_size: int = 1
    n_action_steps: int = 1

    # Network [L], but for the width, the sampling and radii that fit the voxel [own: two cores].
    head: str = "dense"
    width: float = 0.25
    centers: list[int] = field(default_factory=lambda: [48, 16])  # [L] all points, twice
    radii: list[float] = field(default_factory=lambda: [0.1, 0.25])  # m; [L] 0.05, 0.1
    neighbours: int = 12
    trunk: int = 128  # [L] 256
    unit: float = 0.1  # m that count as 1 in the network: places weigh as much as classes [own]
    # [L] -10, 2. Below e^-2, elements that never change outweigh all that do in imitation [own].
    log_std_bounds: list[float] = field(default_factory=lambda: [-2.0, 0.0])

    # Cloud. [L] voxels of 6.25 cm; smaller ones show the opening of a sleeve [own].
    points: int = 128  # in the network, the gripper among them
    voxel: float = 0.05  # m
    crop_below: float = 0.3  # m below the middle of the arm, where cloth is left out [P]
    reach: float = 2.0  # m; an arm further from the gripper is in another frame [own]
    sensor_points: int = 2048

    # Action. [L] 0.1 in the simulator's unit and 5 degrees; here below 0.1 m/s, which is the most
    # beside a person [own: safety].
    translation: float = 0.009  # m per answer, of the whole vector
    rotation: float = 0.1  # rad per answer, about each axis
    dt: float = 0.1  # s [L]

    # Randomisation of what the student sees [P names them, no magnitudes; own].
    drop_patches: int = 2  # patches of cloth that are not seen
    drop_radius: float = 0.06  # m
    erosion: float = 0.3  # chance that cloth beside the arm is taken for nothing
    dilation: float = 0.3  # chance that arm beside the cloth is taken for cloth
    border: float = 0.03  # m, what is beside
    gripper_noise: float = 0.005  # m, standard deviation

    robot: str = "xarm7"
    link: str = "tip"
    joint_names: list[str] = field(default_factory=list)
    classes: list[int] = field(default_factory=lambda: [2, 3])

    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: {"ACTION": NormalizationMode.MEAN_STD}
    )
    device: str | None = "cpu"
    push_to_hub: bool = False  # pyright: ignore[reportIncompatibleMethodOverride]
    optimizer_lr: float = 1e-3  # [L] 1e-4, for many more updates [own]

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        super().__post_init__()
        if self.head not in HEADS:
            raise UnknownNameError("head", self.head, HEADS)
        for name in (
            "width",
            "trunk",
            "unit",
            "voxel",
            "crop_below",
            "reach",
            "translation",
            "rotation",
        ):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"{name} must be > 0, got {getattr(self, name)}")
        if len(self.centers) != 2 or not 1 <= self.centers[1] <= self.centers[0] < self.points:
            raise ConfigError(
                f"centers {self.centers} must be two numbers, falling, below points {self.points}"
            )
        if len(self.radii) != 2 or not 0.0 < self.radii[0] <= self.radii[1]:
            raise ConfigError(f"radii {self.radii} must be two lengths > 0, rising")
        if len(self.classes) != 2 or len(set(self.classes)) != 2:
            raise ConfigError(f"classes {self.classes} must be two numbers, arm and cloth")
        if self.chunk_size != 1 or self.n_action_steps != 1 or self.n_obs_steps != 1:
            raise ConfigError("dressing answers one observation with one action")

    @classmethod
    def for_robot(cls, robot: RobotSpec, **overrides: Any) -> "DressingConfig":
        """Return the configuration for a robot's table.

        Args:
            robot: The robot.
            **overrides: Any other field.
        """
        made = cls(robot=robot.name, joint_names=list(robot.joint_names), **overrides)
        joints = (len(robot.joint_names),)
        made.input_features = {
            POINTS: PolicyFeature(FeatureType.ENV, (made.sensor_points, 4)),
            STATE: PolicyFeature(FeatureType.STATE, joints),
        }
        made.output_features = {ACTION: PolicyFeature(FeatureType.ACTION, (ACTION_WIDTH,))}
        return made

    @property
    def view(self) -> dict[str, Any]:
        """What `network_cloud` takes by name."""
        return {"points": self.points, "voxel": self.voxel, "crop_below": self.crop_below}

    def validate_features(self) -> None:
        """Refuse other features than those of `for_robot`.

        Raises:
            ConfigError: Saying what there is instead.
        """
        wanted = {POINTS: (self.sensor_points, 4), STATE: (len(self.joint_names),)}
        given = {name: tuple(f.shape) for name, f in (self.input_features or {}).items()}
        output = tuple(self.action_feature.shape) if self.action_feature else None
        if given != wanted or output != (ACTION_WIDTH,):
            raise ConfigError(
                f"dressing: inputs {given}, output {output}; expected {wanted} and 6 "
                "(make it with DressingConfig.for_robot)"
            )

    @property
    def action_delta_indices(self) -> None:
        """Only the present is imitated."""
        return

    def get_optimizer_preset(self) -> AdamConfig:
        """Return the optimiser of imitation."""
        return AdamConfig(lr=self.optimizer_lr)

    def get_scheduler_preset(self) -> None:
        """Return no schedule."""
        return
