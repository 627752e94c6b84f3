"""Poses between the frames of a model file, as a robot's table has them."""

import numpy as np
from scipy.spatial.transform import RigidTransform, Rotation

MOUNT = "mount"  # the frame of a model's world; MuJoCo keeps the name `world` for its own


def placed(position: np.ndarray, wxyz: np.ndarray) -> RigidTransform:
    """Return the pose of a MuJoCo element.

    Args:
        position: Shape (3,). [m]
        wxyz: Quaternion w, x, y, z. Shape (4,).
    """
    return RigidTransform.from_components(position, Rotation.from_quat(wxyz, scalar_first=True))


def moved(by: np.ndarray) -> RigidTransform:
    """Return a translation. Shape (3,). [m]."""
    return RigidTransform.from_translation(by)


def turned(vector: np.ndarray) -> RigidTransform:
    """Return a rotation from axis times angle. Shape (3,). [rad]."""
    return RigidTransform.from_rotation(Rotation.from_rotvec(vector))


def position(pose: RigidTransform) -> np.ndarray:
    """Return where a frame's origin is. Shape (3,). [m]."""
    return np.asarray(pose.translation)


def rotation(pose: RigidTransform) -> np.ndarray:
    """Return roll, pitch, yaw about fixed axes; a pitch of 90 degrees leaves yaw 0. [rad]."""
    turn = pose.rotation
    if turn.magnitude() < 1e-12:
        return np.zeros(3)
    return turn.as_euler("xyz", suppress_warnings=True)
