"""Joints without a motor that a model's equality constraints tie to joints with one.

Fingers are closed by mechanisms that a tree of links does not have: equal joints, tendons, loops
of bars. How each tied joint follows its driver is measured once: the driver is put at positions
over its range, the others are solved for, and a polynomial is laid through the answers.
"""

import mujoco
import numpy as np
from scipy.optimize import least_squares

from robot_policies.interface.errors import ConfigError
from robot_policies.interface.robot_parts import CoupledJoint

SAMPLES = 25
DEGREE = 4  # MuJoCo's joint constraint takes no more
STILL = 1e-6  # rad or m; a joint that moves less over the driver's range does not follow it
CLOSED = 1e-4  # rad or m; largest violation of a constraint that counts as solved
FITTED = 1e-2  # of the joint's own motion; larger errors of the polynomial are refused


def couplings(model: mujoco.MjModel, drivers: list[int]) -> list[CoupledJoint]:
    """Return the joints that follow actuated ones.

    Args:
        model: The compiled model.
        drivers: Numbers of the actuated joints.

    Raises:
        ConfigError: If the constraints cannot be solved, or a joint follows two drivers.
    """
    tied = _tied(model, drivers)
    if not tied:
        return []
    found: dict[int, CoupledJoint] = {}
    for driver in drivers:
        positions, followed = _follow(model, driver, tied)
        for column, joint in enumerate(tied):
            motion = np.ptp(followed[:, column])
            if motion < STILL:
                continue
            if joint in found:
                raise ConfigError(
                    f"joint '{model.joint(joint).name}' follows both '{found[joint].driver}' and "
                    f"'{model.joint(driver).name}'; a coupled joint follows one"
                )
            found[joint] = _fit(model, joint, driver, positions, followed[:, column])
    return [found[joint] for joint in tied if joint in found]


def _tied(model: mujoco.MjModel, drivers: list[int]) -> list[int]:
    """Return the joints without a motor, if there are constraints that may move them."""
    if not model.neq:
        return []
    hinged = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))
    return [i for i in range(model.njnt) if i not in drivers and model.jnt_type[i] in hinged]


def _follow(model: mujoco.MjModel, driver: int, tied: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return positions of a driver, shape (k,), and of the tied joints there, shape (k, n)."""
    data = mujoco.MjData(model)
    places = model.jnt_qposadr[tied]
    low, high = model.jnt_range[driver]
    if not model.jnt_limited[driver]:
        low, high = -1.0, 1.0
    positions = np.linspace(low, high, SAMPLES)
    start = model.qpos0[places]

    def violation(values: np.ndarray, at: float) -> np.ndarray:
        data.qpos[:] = model.qpos0
        data.qpos[model.jnt_qposadr[driver]] = at
        data.qpos[places] = values
        mujoco.mj_fwdPosition(model, data)
        equal = data.efc_type == int(mujoco.mjtConstraint.mjCNSTR_EQUALITY)
        return data.efc_pos[equal].copy()

    followed = np.zeros((SAMPLES, len(tied)))
    near = int(np.abs(positions - model.qpos0[model.jnt_qposadr[driver]]).argmin())
    for order in (range(near, SAMPLES), range(near, -1, -1)):  # outwards from the model's pose
        values = start
        for i in order:
            # A joint that no constraint moves stays: nothing pulls it but this small spring.
            solved = least_squares(
                lambda v, at=positions[i]: np.concatenate([violation(v, at), 1e-7 * (v - start)]),
                values,
                xtol=1e-12,
                ftol=1e-14,
                gtol=1e-14,
            )
            values = solved.x
            worst = float(np.abs(violation(values, positions[i])).max(initial=0.0))
            if worst > CLOSED:
                raise ConfigError(
                    f"equality constraints cannot be met with joint '{model.joint(driver).name}' "
                    f"at {positions[i]:.3f}: {worst:.2g} is left"
                )
            followed[i] = values
    return positions, followed


def _fit(
    model: mujoco.MjModel, joint: int, driver: int, positions: np.ndarray, followed: np.ndarray
) -> CoupledJoint:
    fitted = np.polynomial.Polynomial.fit(positions, followed, 1).convert()
    for degree in range(1, DEGREE + 1):
        fitted = np.polynomial.Polynomial.fit(positions, followed, degree).convert()
        error = float(np.abs(fitted(positions) - followed).max())
        if error <= 1e-5 * np.ptp(followed):
            break
    name = model.joint(joint).name
    if error > FITTED * np.ptp(followed):
        raise ConfigError(
            f"joint '{name}' follows '{model.joint(driver).name}' by no polynomial of degree "
            f"{DEGREE}: {error:.2g} is left"
        )
    coefficients = [*fitted.coef, *[0.0] * DEGREE][: DEGREE + 1]
    low, high = float(followed.min()), float(followed.max())
    if model.jnt_limited[joint]:
        low, high = (float(value) for value in model.jnt_range[joint])
    dof = model.jnt_dofadr[joint]
    return CoupledJoint(
        name=name,
        driver=model.joint(driver).name,
        coefficients=tuple(float(c) if abs(c) > 1e-9 else 0.0 for c in coefficients),  # pyright: ignore[reportArgumentType]
        lower=low,
        upper=high,
        damping=float(model.dof_damping[dof]),
        armature=float(model.dof_armature[dof]),
        friction=float(model.dof_frictionloss[dof]),
        sliding=bool(model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE),
    )
