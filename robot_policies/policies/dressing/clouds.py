"""From segmented points to what the network sees, and what a camera makes of them at worst.

All of it is numpy, on points in the robot's base frame: crop, voxels, class, gripper last and in
the middle (arXiv 2306.12372, Sec. IV-B). Unlike the paper's, the network's x axis is the
gripper's heading: how the gripper is turned is then part of what is seen. Randomisation takes
points away or gives them another class, as a mask that is a little off does (Sec. V-C).
"""

import numpy as np
from scipy.spatial import KDTree

from robot_policies.interface.errors import ImplausibleState
from robot_policies.interface.frames import rotation_about
from robot_policies.interface.gravity import UP
from robot_policies.policies.dressing.configuration_dressing import POINT_WIDTH, DressingConfig

GRID = 1 << 20  # voxels along an axis that a number can tell apart


def crop(cloth: np.ndarray, arm: np.ndarray, below: float) -> np.ndarray:
    """Return the cloth that does not hang far below the arm.

    Args:
        cloth: Shape (n, 3). [m]
        arm: Shape (m, 3). [m]
        below: Distance below the arm's mean height. [m]
    """
    return cloth[cloth[:, 2] >= arm[:, 2].mean() - below]


def voxels(points: np.ndarray, size: float) -> np.ndarray:
    """Return the mean of the points in every voxel, in the order of the voxels. Shape (k, 3).

    Args:
        points: Shape (n, 3). [m]
        size: Edge of a voxel; the grid begins at the least coordinates. [m]
    """
    if not len(points):
        return points
    cell = np.floor((points - points.min(axis=0)) / size).astype(np.int64)
    key = (cell[:, 0] * GRID + cell[:, 1]) * GRID + cell[:, 2]
    _, owner, count = np.unique(key, return_inverse=True, return_counts=True)
    sums = [np.bincount(owner, points[:, axis]) for axis in range(3)]
    return np.stack(sums, axis=1) / count[:, None]


def network_cloud(
    arm: np.ndarray,
    cloth: np.ndarray,
    gripper: np.ndarray,
    heading: float,
    *,
    points: int,
    voxel: float,
    crop_below: float,
) -> np.ndarray:
    """Return the points the network sees, the gripper last and at the origin, z up.

    Args:
        arm: Shape (n, 3), base frame. [m]
        cloth: Shape (m, 3). [m]
        gripper: Shape (3,). [m]
        heading: Of the gripper's x axis in the plane, which becomes the network's. [rad]
        points: Rows of the answer, the gripper's among them.
        voxel: Edge of a voxel. [m]
        crop_below: See `crop`. [m]

    Returns:
        x, y, z [m], one-hot arm, cloth, gripper, and 1 where there is a point; what is missing is
        0. Shape (points, 7), float32.
    """
    arm = voxels(arm, voxel)
    cloth = voxels(crop(cloth, arm, crop_below), voxel)
    seen = np.zeros((points, POINT_WIDTH), np.float32)
    room, start, turn = points - 1, 0, rotation_about(UP, heading)
    # Should there be too many points, each class keeps an even selection of its own.
    share = min(1.0, room / max(len(arm) + len(cloth), 1))
    for column, all_of_it in ((3, arm), (4, cloth)):
        chosen = np.linspace(0, len(all_of_it) - 1, int(share * len(all_of_it)))
        kept = all_of_it[chosen.round().astype(int)]
        rows = slice(start, start + len(kept))
        seen[rows, :3], seen[rows, column], seen[rows, 6] = (kept - gripper) @ turn, 1.0, 1.0
        start += len(kept)
    seen[-1, 5:] = 1.0
    return seen


def heading_of(rotation: np.ndarray) -> float:
    """Return where the x axis of a gripper's rotation matrix (3, 3) points in the plane. [rad]."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def check_cloud(arm: np.ndarray, cloth: np.ndarray, gripper: np.ndarray, reach: float) -> None:
    """Refuse points that cannot be of an arm and a sleeve that this gripper holds.

    Args:
        arm: Shape (n, 3), base frame. [m]
        cloth: Shape (m, 3). [m]
        gripper: Shape (3,). [m]
        reach: Greatest distance of the nearest arm point to the gripper. [m]

    Raises:
        ImplausibleState: Saying what is missing, or how far away the arm is.
    """
    for name, points in (("arm", arm), ("cloth", cloth)):
        if not len(points):
            raise ImplausibleState(
                f"observation.points: no point of the {name}; is its class right?"
            )
    far = float(np.linalg.norm(arm - gripper, axis=1).min())
    if not far <= reach:
        raise ImplausibleState(
            f"observation.points: the arm is {far:.2f} m from the gripper, at most {reach:g} m; "
            "are the points in the robot's base frame?"
        )


def randomise(
    arm: np.ndarray,
    cloth: np.ndarray,
    gripper: np.ndarray,
    config: DressingConfig,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return arm, cloth and gripper as a camera, a mask and a calibration at fault give them.

    Patches of cloth are not seen; cloth beside the arm is missed (erosion) or arm beside the cloth
    taken for cloth (dilation); the gripper is a little off.

    Args:
        arm: Shape (n, 3). [m]
        cloth: Shape (m, 3). [m]
        gripper: Shape (3,). [m]
        config: Magnitudes.
        rng: Source of chance.
    """
    for _ in range(rng.integers(config.drop_patches + 1)):
        if not len(cloth):
            break
        middle = cloth[rng.integers(len(cloth))]
        left = np.linalg.norm(cloth - middle, axis=1) > config.drop_radius
        cloth = cloth[left] if left.any() else cloth
    if rng.random() < config.erosion:
        kept = ~_beside(cloth, arm, config.border)
        cloth = cloth[kept] if kept.any() else cloth
    if rng.random() < config.dilation:
        taken = _beside(arm, cloth, config.border)
        if not taken.all():
            arm, cloth = arm[~taken], np.concatenate([cloth, arm[taken]])
    return arm, cloth, gripper + rng.normal(0.0, config.gripper_noise, 3)


def _beside(points: np.ndarray, others: np.ndarray, border: float) -> np.ndarray:
    """Return which points have another one no further away than the border. Shape (n,)."""
    if not len(points) or not len(others):
        return np.zeros(len(points), bool)
    return KDTree(others).query(points, distance_upper_bound=border)[0] < np.inf
