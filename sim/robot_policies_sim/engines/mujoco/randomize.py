"""A MuJoCo model whose physical parameters differ from the robot's table."""

import mujoco
import numpy as np

from robot_policies_sim.scene.randomization import Randomization


def randomize(
    model: mujoco.MjModel, base: str, ranges: Randomization, rng: np.random.Generator
) -> None:
    """Change a model in place.

    Args:
        model: Made by `mjcf`; position servos as actuators.
        base: Name of the body that carries the payload.
        ranges: How far.
        rng: Source of chance.
    """
    body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, base)
    payload = rng.uniform(*ranges.payload)
    share = (model.body_mass[body] + payload) / model.body_mass[body]
    model.body_mass[body] *= share
    model.body_inertia[body] *= share
    shift = rng.uniform(-ranges.center_of_mass, ranges.center_of_mass, 3)
    model.body_ipos[body] += shift * [1.0, 1.0, 1.0 / 3.0]
    model.geom_friction[:, 0] = rng.uniform(*ranges.friction)
    model.geom_solref[:, 0] = rng.uniform(*ranges.softness)
    gain = rng.uniform(*ranges.gain)
    model.actuator_gainprm[:, 0] *= gain
    model.actuator_biasprm[:, 1:3] *= gain
    model.actuator_forcerange[:] *= rng.uniform(*ranges.strength)
    model.dof_frictionloss[:] *= rng.uniform(*ranges.joint_friction)
    model.dof_damping[:] *= rng.uniform(*ranges.joint_damping)
    low, high = ranges.armature
    model.dof_armature[:] *= rng.uniform(low, high) if low < high else low
    mujoco.mj_setConst(model, mujoco.MjData(model))
