"""Pictures for people of a robot and its world, from measurements alone.

The film of an episode is drawn from what was recorded of it, in whatever process that is: the
simulator goes on meanwhile, and a robot that no simulator moves is filmed alike.
"""

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from robot_policies.interface import RobotSpec, RobotState
from robot_policies.interface.observation import IMU
from robot_policies_sim.engines.mujoco.backend import MujocoBackend
from robot_policies_sim.scene.conditions import EpisodeConditions

OBJECT, CLOTH = "object.", "cloth."


class PosedFigure(MujocoBackend):
    """MuJoCo's model of the robot, put into poses; nothing is simulated."""

    def __init__(self, spec: RobotSpec, scene: Mapping[str, Any]) -> None:
        """Build the model.

        Args:
            spec: The robot.
            scene: World description, see `World`.
        """
        super().__init__(spec, scene, cameras=False)
        self.connect()
        self.reset(0, {})

    def draw(self, state: RobotState, width: int, height: int) -> np.ndarray:
        """Draw a measured pose. Shape (height, width, 3), uint8 RGB.

        The base is turned as the truth says, or else the inertial unit. It stands where the truth
        says, or at the table's height over the origin. Objects and cloth lie where the truth
        says, or where the scene puts them.
        """
        truth = state.truth
        imu = state.features.get(IMU, np.array([0.0, 0.0, 0.0, 1.0]))
        orientation = np.asarray(truth.get("base_orientation", imu[:4]), np.float64)
        stands = np.array([0.0, 0.0, self.spec.base_height])
        names = (item.name for item in self.world.objects)
        pose = EpisodeConditions(
            base_position=np.asarray(truth.get("base_position", stands), np.float64),
            base_orientation=orientation / np.linalg.norm(orientation),
            base_velocity=np.zeros(3),
            base_angular_velocity=np.zeros(3),
            joint_position=dict(zip(self.spec.joint_names, state.joint_position, strict=True)),
            objects={n: truth[f"{OBJECT}{n}"] for n in names if f"{OBJECT}{n}" in truth},
        )
        self._place(pose)
        for held in self._cloths:
            vertices = truth.get(f"{CLOTH}{held.cloth.name}")
            if vertices is not None and vertices.shape == held.cloth.shape.shape:
                held.put(vertices)
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_flex(self._model, self._data)
        return self.render(width, height)
