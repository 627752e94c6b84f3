"""Models of many quadrupeds, each a little different for life, and what is fixed about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from robot_policies.interface import RobotSpec
from robot_policies_sim.engines.mujoco.model import mjcf
from robot_policies_sim.engines.mujoco.randomize import randomize
from robot_policies_sim.scene.randomization import Randomization
from robot_policies_sim.worlds.go1.reward import FEET


@dataclass(frozen=True, eq=False)
class Quadrupeds:
    """`N` robots with `J` joints and 4 feet.

    Attributes:
        models: One for each robot, alike but for numbers.
        nominal: The model before anything was randomised.
        stiffness: Of the servos. Shape (N, J). [N m/rad]
        damping: Of the servos. Shape (N, J). [N m s/rad]
        effort: Largest torque. Shape (N, J). [N m]
        contact: Where among the sensors the contact forces of the feet lie. Shape (4,).
        foot_height: Where among the sensors the heights of the feet's centres lie. Shape (4,).
        foot_radius: Shape (4,). [m]
    """

    models: list[mujoco.MjModel]
    nominal: mujoco.MjModel
    stiffness: np.ndarray
    damping: np.ndarray
    effort: np.ndarray
    contact: list[int]
    foot_height: list[int]
    foot_radius: np.ndarray


def randomized(
    robot: RobotSpec,
    scene: Mapping[str, Any],
    ranges: Randomization,
    count: int,
    rng: np.random.Generator,
) -> Quadrupeds:
    """Make the models of robots that differ.

    Args:
        robot: Their table.
        scene: World description.
        ranges: How far they differ.
        count: How many.
        rng: Source of chance.
    """
    nominal = _nominal(robot, scene)
    models = []
    for _ in range(count):
        model = nominal.__copy__()
        randomize(model, robot.links[0].name, ranges, rng)
        models.append(model)
    radius = {shape.name: shape.size[0] for link in robot.links for shape in link.shapes}
    return Quadrupeds(
        models=models,
        nominal=nominal,
        stiffness=np.array([model.actuator_gainprm[:, 0] for model in models]),
        damping=np.array([-model.actuator_biasprm[:, 2] for model in models]),
        effort=np.array([model.actuator_forcerange[:, 1] for model in models]),
        contact=[nominal.sensor(foot).adr[0] for foot in FEET],
        foot_height=[nominal.sensor(_position(foot)).adr[0] + 2 for foot in FEET],
        foot_radius=np.array([radius[foot] for foot in FEET]),
    )


def _nominal(robot: RobotSpec, scene: Mapping[str, Any]) -> mujoco.MjModel:
    """Return the model as training needs it: fast, without cameras' sight, with feet measured."""
    spec = mujoco.MjSpec.from_string(
        mjcf(robot, scene, iterations=4, ls_iterations=6, imu=False, display=False)
    )
    for foot in FEET:
        spec.add_sensor(
            name=_position(foot),
            type=mujoco.mjtSensor.mjSENS_FRAMEPOS,
            objtype=mujoco.mjtObj.mjOBJ_SITE,
            objname=foot,
        )
    return spec.compile()


def _position(foot: str) -> str:
    return f"{foot}_position"
