"""From a camera's cloud and the joints to what the network sees.

The arm is kept from the first cloud of an episode, before the sleeve hides it (`arm_memory`).
"""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from lerobot.processor import (
    ObservationProcessorStep,
    PolicyAction,
    PolicyProcessorPipeline,
    ProcessorStepRegistry,
    make_default_pre_post_processors,
)
from torch import Tensor

from robot_policies.catalog import load_robot
from robot_policies.interface.clouds import present
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.observation import POINTS, STATE
from robot_policies.learning.elements import ACTION
from robot_policies.policies.dressing.arm_memory import ArmMemory
from robot_policies.policies.dressing.clouds import check_cloud, heading_of, network_cloud
from robot_policies.policies.dressing.configuration_dressing import HEADING, DressingConfig


def make_dressing_pre_post_processors(
    config: DressingConfig,
    dataset_stats: dict[str, dict[str, Tensor]] | None = None,
) -> tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]],
    PolicyProcessorPipeline[PolicyAction, PolicyAction],
]:
    """Make the pipelines from clouds to network clouds, and from [-1, 1] to displacements.

    Args:
        config: The policy's numbers.
        dataset_stats: Not used: the scales belong to the policy.

    Returns:
        Preprocessor and postprocessor.
    """
    scale = torch.tensor([config.translation] * 3 + [config.rotation] * 3)
    statistics = {ACTION: {"mean": torch.zeros(6), "std": scale}}
    preprocessor, postprocessor = make_default_pre_post_processors(
        config, statistics, normalizer_device=config.device
    )
    step = DressingCloudStep(
        robot=config.robot,
        link=config.link,
        joint_names=list(config.joint_names),
        classes=list(config.classes),
        reach=config.reach,
        **config.view,
    )
    # After the batch axis is there, before the tensors move to their device.
    preprocessor.steps = [  # pyright: ignore[reportAttributeAccessIssue]
        *preprocessor.steps[:2],
        step,
        *preprocessor.steps[2:],
    ]
    return preprocessor, postprocessor


@ProcessorStepRegistry.register("dressing_cloud")
@dataclass
class DressingCloudStep(ObservationProcessorStep):
    """Replaces `observation.points` by the network's cloud, and remembers the arm.

    Attributes:
        robot: Robot whose gripper is the last point.
        link: Its link.
        joint_names: Joints in the order of `observation.state`.
        classes: Class of the arm's and of the cloth's points.
        points: See `network_cloud`.
        voxel: See `network_cloud`. [m]
        crop_below: See `network_cloud`. [m]
        reach: See `check_cloud`. [m]
    """

    robot: str
    link: str
    joint_names: list[str]
    classes: list[int]
    points: int
    voxel: float
    crop_below: float
    reach: float
    _arm: ArmMemory = field(default_factory=ArmMemory, init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the robot's table.

        Raises:
            ValueError: If the joints are not the robot's.
        """
        robot = load_robot(self.robot)
        if sorted(self.joint_names) != sorted(robot.joint_names):
            raise ValueError(f"joints {self.joint_names} are not those of '{self.robot}'")
        self._order = [self.joint_names.index(name) for name in robot.joint_names]
        self._kinematics = Kinematics(robot, self.link)

    def reset(self) -> None:
        """Forget the arm of the last episode."""
        self._arm.forget()

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Return the observation with network clouds (1, points, 7), and their heading (1, 1).

        Raises:
            ImplausibleState: If the cloud cannot be of an arm and a sleeve this gripper holds.
        """
        cloud = present(observation[POINTS][0].numpy())
        joints = observation[STATE][0].double().numpy()[self._order]
        rotation, gripper = self._kinematics.pose(joints)
        heading = heading_of(rotation)
        arm, cloth = (cloud[cloud[:, 3] == kind, :3].astype(np.float64) for kind in self.classes)
        check_cloud(arm if len(arm) else self._arm.points, cloth, gripper, self.reach)
        arm = self._arm.see(arm)
        seen = network_cloud(
            arm,
            cloth,
            gripper,
            heading,
            points=self.points,
            voxel=self.voxel,
            crop_below=self.crop_below,
        )
        turned = torch.tensor([[heading]], dtype=torch.float32)
        return {**observation, POINTS: torch.from_numpy(seen).unsqueeze(0), HEADING: turned}

    def get_config(self) -> dict[str, Any]:
        """Return what is saved in the checkpoint."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def transform_features(self, features: Any) -> Any:
        """Return the features as they are."""
        return features
