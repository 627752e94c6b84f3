"""A robot from an MJCF file, as MuJoCo compiles it."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from robot_policies.interface.errors import ConfigError
from robot_policies.interface.robot_model import RobotModel
from robot_policies.robots.couplings import couplings
from robot_policies.robots.mjcf_actuators import effort, motors, servo
from robot_policies.robots.mjcf_tree import Tree, body_name
from robot_policies.robots.transforms import placed, position, rotation

FREE, BALL = mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL
SLIDE = mujoco.mjtJoint.mjJNT_SLIDE


def read_mjcf(path: Path) -> RobotModel:
    """Read a model.

    Args:
        path: MJCF file.

    Raises:
        ConfigError: If MuJoCo refuses it, nothing in it is actuated, or a joint is of a kind that
            a robot's table does not have.
    """
    try:
        model = mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    try:
        return _robot(model)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _robot(model: mujoco.MjModel) -> RobotModel:
    driving, remarks = motors(model)
    floating = _floating(model)
    coupled = couplings(model, [motor.joint for motor in driving])
    names = {motor.joint: model.joint(motor.joint).name for motor in driving}
    followers = {joint.name for joint in coupled}
    moving = set(names) | {i for i in range(model.njnt) if model.joint(i).name in followers}
    tree = Tree(model, moving, remarks)
    tree.grow(floating)
    gains = {names[m.joint]: found for m in driving if (found := servo(model, m, coupled))}
    height = float(model.body_pos[1, 2]) if floating else 0.0
    if floating and model.nkey:
        height = float(model.key_qpos[0, 2])
    return RobotModel(
        joints={names[m.joint]: _joint(model, m.joint, effort(model, m)) for m in driving},
        links=tuple(tree.links),
        coupled=tuple(coupled),
        stiffness={name: stiffness for name, (stiffness, _) in gains.items()},
        damping={name: damping for name, (_, damping) in gains.items()},
        cameras=_cameras(model, remarks),
        floating_base=floating,
        base_height=height,
        remarks=tuple(remarks),
    )


def _floating(model: mujoco.MjModel) -> bool:
    """Return whether the base is free.

    Raises:
        ConfigError: On a free joint elsewhere, or a ball joint.
    """
    roots = [i for i in range(1, model.nbody) if model.body_parentid[i] == 0]
    for i in range(model.njnt):
        body = model.joint(i).bodyid[0]
        name = f"joint '{model.joint(i).name}' of body '{model.body(body).name}'"
        if model.jnt_type[i] == BALL:
            raise ConfigError(f"{name}: a ball joint has no motor of one axis")
        if model.jnt_type[i] == FREE and roots != [body]:
            raise ConfigError(f"{name}: only the base of a robot moves freely")
    return bool(model.njnt and model.jnt_type[0] == FREE)


def _joint(model: mujoco.MjModel, joint: int, most: float) -> Mapping[str, Any]:
    dof = model.jnt_dofadr[joint]
    known: dict[str, Any] = {
        "damping": float(model.dof_damping[dof]),
        "armature": float(model.dof_armature[dof]),
        "friction": float(model.dof_frictionloss[dof]),
        "sliding": bool(model.jnt_type[joint] == SLIDE),
    }
    if model.jnt_limited[joint]:
        known["lower"], known["upper"] = (float(end) for end in model.jnt_range[joint])
    if isfinite(most):
        known["effort"] = most
    if model.nkey:
        known["default"] = float(model.key_qpos[0, model.jnt_qposadr[joint]])
    return known


def _cameras(model: mujoco.MjModel, remarks: list[str]) -> dict[str, Mapping[str, Any]]:
    cameras: dict[str, Mapping[str, Any]] = {}
    for i in range(model.ncam):
        camera = model.camera(i)
        if model.cam_mode[i] != mujoco.mjtCamLight.mjCAMLIGHT_FIXED or not model.cam_bodyid[i]:
            remarks.append(f"camera '{camera.name}': is not fixed to the robot")
            continue
        width, height = (int(value) for value in model.cam_resolution[i])
        if width * height <= 1:  # says nothing
            width, height = 640, 480
        pose = placed(model.cam_pos[i], model.cam_quat[i])
        half = np.tan(np.radians(float(model.cam_fovy[i])) / 2.0)
        cameras[camera.name or f"camera_{i}"] = {
            "width": width,
            "height": height,
            "focal_length": height / 2.0 / half,
            "link": body_name(model, int(model.cam_bodyid[i])),
            "position": position(pose).tolist(),
            "rotation": rotation(pose).tolist(),
        }
    return cameras
