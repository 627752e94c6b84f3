"""The motors of an MJCF model: which joints they move, how hard, and how stiffly."""

from dataclasses import dataclass
from math import inf

import mujoco
import numpy as np

from robot_policies.interface.errors import ConfigError
from robot_policies.interface.robot_parts import CoupledJoint

JOINT, TENDON = mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_TENDON
WRAP_JOINT = mujoco.mjtWrap.mjWRAP_JOINT


@dataclass(frozen=True)
class Motor:
    """One actuator.

    Attributes:
        number: Of the actuator.
        joint: Number of the joint that it drives.
        shares: Number of each joint that it pulls at, to its coefficient.
    """

    number: int
    joint: int
    shares: dict[int, float]


def motors(model: mujoco.MjModel) -> tuple[list[Motor], list[str]]:
    """Return the motors in the order of the model, and what is not read.

    A tendon's motor drives the first of its joints; constraints tell what the others do.

    Raises:
        ConfigError: If nothing is driven, or two motors drive one joint.
    """
    found, remarks = [], []
    for i in range(model.nu):
        kind, target = model.actuator_trntype[i], model.actuator_trnid[i, 0]
        gear = float(model.actuator_gear[i, 0])
        if kind == JOINT:
            shares = {int(target): gear}
        elif kind == TENDON and (pulled := _pulled(model, target)):
            shares = {joint: gear * share for joint, share in pulled.items()}
        else:
            remarks.append(f"actuator '{model.actuator(i).name}': moves no joint directly")
            continue
        found.append(Motor(i, next(iter(shares)), shares))
    driven = [motor.joint for motor in found]
    for joint in driven:
        if driven.count(joint) > 1:
            raise ConfigError(f"joint '{model.joint(joint).name}' is driven by two actuators")
    if not found:
        names = [model.joint(i).name for i in range(model.njnt)]
        raise ConfigError(f"no joint has an actuator; joints: {', '.join(names) or 'none'}")
    return found, remarks


def effort(model: mujoco.MjModel, motor: Motor) -> float:
    """Return the largest torque or force of a motor at its joint, infinite if unlimited."""
    limits = [inf]
    gear = abs(motor.shares[motor.joint])
    if model.actuator_forcelimited[motor.number]:
        limits.append(gear * float(np.abs(model.actuator_forcerange[motor.number]).max()))
    elif model.actuator_ctrllimited[motor.number] and not _servo(model, motor):
        most = float(np.abs(model.actuator_ctrlrange[motor.number]).max())
        limits.append(gear * most * float(model.actuator_gainprm[motor.number, 0]))
    if model.jnt_actfrclimited[motor.joint]:
        limits.append(float(np.abs(model.jnt_actfrcrange[motor.joint]).max()))
    return min(limits)


def servo(
    model: mujoco.MjModel, motor: Motor, coupled: list[CoupledJoint]
) -> tuple[float, float] | None:
    """Return stiffness and damping of a position servo about its joint.

    A servo pulls with k l, where l is the sum of c_i q_i over its joints. With joints that follow
    the driver q by q_i = p_i(q), it turns the driver with k (dl/dq)^2.

    Returns:
        Stiffness and damping, or `None` for a motor that is no position servo.
    """
    if not _servo(model, motor):
        return None
    followers = {joint.name: joint for joint in coupled}
    middle = float(model.jnt_range[motor.joint].mean())
    slope = 0.0
    for joint, share in motor.shares.items():
        name = model.joint(joint).name
        slope += share * (followers[name].slope(middle) if name in followers else 1.0)
    _, stiffness, damping = -model.actuator_biasprm[motor.number, :3]
    return float(stiffness) * slope**2, float(damping) * slope**2


def _servo(model: mujoco.MjModel, motor: Motor) -> bool:
    affine = model.actuator_biastype[motor.number] == mujoco.mjtBias.mjBIAS_AFFINE
    return bool(affine and model.actuator_biasprm[motor.number, 1] < 0.0)


def _pulled(model: mujoco.MjModel, tendon: int) -> dict[int, float]:
    """Return the joints of a fixed tendon and their coefficients; none for a spatial tendon."""
    first, count = model.tendon_adr[tendon], model.tendon_num[tendon]
    wraps = range(first, first + count)
    if any(model.wrap_type[i] != WRAP_JOINT for i in wraps):
        return {}
    return {int(model.wrap_objid[i]): float(model.wrap_prm[i]) for i in wraps}
