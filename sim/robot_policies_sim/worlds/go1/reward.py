"""What a good walk is: the reward the walking policy is trained with and judged by.

All functions take any leading batch shape; joints are in the order of the robot's table, feet in
the order FR, FL, RR, RL. The terms are legged_gym's (Rudin et al. 2022), the gait term is that of
walk-these-ways; the weights were tuned here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

# What may be commanded, and policies are trained on: forward, left [m/s], turn [rad/s].
LOWEST, HIGHEST = np.array([-0.4, -0.3, -0.8]), np.array([1.0, 0.3, 0.8])
GAIT_FREQUENCY = 2.0  # Hz, one stride of the trot
TRUNK_HEIGHT = 0.29  # m the trunk's origin is kept at; the servo sags 3 cm below the default pose
SWING_HEIGHT = 0.05  # m a foot is lifted in mid-swing
STANDING = 0.1  # |vx| + |vy| + |yaw| below which the robot is asked to stand [m/s, rad/s]
CONTACT_FORCE = 1.0  # N above which a foot touches
FEET = ("FR_foot", "FL_foot", "RR_foot", "RL_foot")
STANCE_FIRST = np.array([True, False, False, True])  # the diagonal pair FR, RL carries first


@dataclass(frozen=True)
class Weights:
    """Reward per step of each term; [unit of what it multiplies].

    Attributes:
        width: Squared speed error at which the tracking reward has fallen to 1/e. [m^2/s^2]
        tracking: Velocity in the plane, a bell of `width`.
        progress: Velocity along the command, 1 at the commanded speed, falling straight to both
            sides: unlike the bell it also pays a robot that does not walk yet.
        yaw_width: Squared turning error at which the yaw reward has fallen to 1/e. [rad^2/s^2]
        yaw: Turning rate, a bell of `yaw_width`.
    """

    width: float = 0.15
    tracking: float = 0.5
    progress: float = 1.0
    yaw_width: float = 0.25
    yaw: float = 0.5
    vertical: float = -2.0  # of the trunk [m^2/s^2]
    roll_pitch: float = -0.05  # rates [rad^2/s^2]
    tilt: float = -1.0  # squared horizontal part of the gravity direction
    height: float = -20.0  # [m^2]
    torque: float = -2e-4  # [N^2 m^2]
    acceleration: float = -2.5e-7  # of the joints [rad^2/s^4]
    smoothness: float = -0.16  # change of the targets from one step to the next [rad^2]
    gait: float = 0.6  # share of feet that touch when they should, minus 1/2
    clearance: float = -60.0  # lift missing in swing [m^2]
    pose: float = -0.05  # distance from the default pose [rad^2]
    hips: float = -0.3  # likewise, hips alone [rad^2]
    rest: float = -0.02  # joint speed while asked to stand [rad^2/s^2]


WALK = Weights()  # to learn to walk at all
TRACK = replace(
    WALK, width=0.05, tracking=1.0, progress=0.5, yaw_width=0.1
)  # to walk at the commanded speed


@dataclass(frozen=True, eq=False)
class WalkStep:
    """One control step of one or many robots.

    Attributes:
        command: Asked velocity x, y and turning rate. Shape (..., 3). [m/s, rad/s]
        velocity: Of the trunk, body frame. Shape (..., 3). [m/s]
        turn: Angular velocity of the trunk, body frame. Shape (..., 3). [rad/s]
        gravity: Down direction in the body frame. Shape (..., 3).
        height: Of the trunk's origin above the ground. Shape (...,). [m]
        joint_offset: Position minus default pose. Shape (..., 12). [rad]
        joint_velocity: Shape (..., 12). [rad/s]
        joint_acceleration: Shape (..., 12). [rad/s^2]
        torque: Shape (..., 12). [N m]
        target_change: Target minus the one before. Shape (..., 12). [rad]
        contact: Whether each foot touches the ground. Shape (..., 4).
        lift: Height of each foot's sole above the ground. Shape (..., 4). [m]
        time: Since the start of the episode and of the gait clock. Shape (...,). [s]
    """

    command: np.ndarray
    velocity: np.ndarray
    turn: np.ndarray
    gravity: np.ndarray
    height: np.ndarray
    joint_offset: np.ndarray
    joint_velocity: np.ndarray
    joint_acceleration: np.ndarray
    torque: np.ndarray
    target_change: np.ndarray
    contact: np.ndarray
    lift: np.ndarray
    time: np.ndarray


def blend(early: Weights, late: Weights, share: float) -> Weights:
    """Return weights between two, `share` 0 gives the early ones."""
    return Weights(
        **{
            field.name: (1.0 - share) * getattr(early, field.name)
            + share * getattr(late, field.name)
            for field in fields(Weights)
        }
    )


def terms(step: WalkStep, weights: Weights = TRACK) -> Mapping[str, np.ndarray]:
    """Return each term's reward, weighted. Shape (...,) each."""
    command, plane = step.command, step.command[..., :2]
    moving = np.abs(command).sum(-1) > STANDING
    speed = np.linalg.norm(plane, axis=-1)
    along = (step.velocity[..., :2] * plane).sum(-1) / np.maximum(speed, 0.05)
    shortfall = np.abs(along - speed) / np.maximum(speed, 0.05)
    error = _squares(plane - step.velocity[..., :2])
    stance, lift = _gait(step.time)
    stance = stance | ~moving[..., None]
    lift = lift * moving[..., None]
    w = weights
    return {
        "tracking": w.tracking * np.exp(-error / w.width),
        "progress": w.progress * np.where(speed > 0.05, np.maximum(1.0 - shortfall, -1.0), 0.5),
        "yaw": w.yaw * np.exp(-np.square(command[..., 2] - step.turn[..., 2]) / w.yaw_width),
        "vertical": w.vertical * np.square(step.velocity[..., 2]),
        "roll_pitch": w.roll_pitch * _squares(step.turn[..., :2]),
        "tilt": w.tilt * _squares(step.gravity[..., :2]),
        "height": w.height * np.square(step.height - TRUNK_HEIGHT),
        "torque": w.torque * _squares(step.torque),
        "acceleration": w.acceleration * _squares(step.joint_acceleration),
        "smoothness": w.smoothness * _squares(step.target_change),
        "gait": w.gait * ((step.contact == stance).mean(-1) - 0.5),
        "clearance": w.clearance * _squares(np.maximum(lift - step.lift, 0.0)),
        "pose": w.pose * _squares(step.joint_offset),
        "hips": w.hips * _squares(step.joint_offset[..., ::3]),
        "rest": w.rest * _squares(step.joint_velocity) * ~moving,
    }


def reward(step: WalkStep, weights: Weights = TRACK) -> np.ndarray:
    """Return the sum of the terms, at least 0: a bad step must not make falling attractive."""
    return np.maximum(sum(terms(step, weights).values()), 0.0)


def _gait(time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which feet the trot's clock puts down, and how high the others should be.

    The phase is sin(2 pi f t), and its negative for the other diagonal pair. A foot stands where
    its phase is positive, and else swings as high as the phase is negative; after the contact
    schedule of walk-these-ways (Margolis and Agrawal 2022).

    Args:
        time: Of the gait's clock. Shape (...). [s]

    Returns:
        Whether each foot stands, and its height [m]. Shape (..., 4) each.
    """
    phase = np.sin(2.0 * np.pi * GAIT_FREQUENCY * np.asarray(time))[..., None]
    pair = np.where(STANCE_FIRST, phase, -phase)
    return pair >= 0.0, SWING_HEIGHT * np.maximum(-pair, 0.0)


def _squares(values: np.ndarray) -> np.ndarray:
    """Return the squared length of vectors. Shape (..., n) -> (...)."""
    return np.square(values).sum(-1)
