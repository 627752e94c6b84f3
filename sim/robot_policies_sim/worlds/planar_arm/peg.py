"""Where the planar arm's peg is."""

import numpy as np

from robot_policies.interface import RobotSpec


def peg_position(robot: RobotSpec, joints: np.ndarray) -> np.ndarray:
    """Return where the peg is in the plane: the sum of l_i (cos, sin)(q_1 + ... + q_i).

    Args:
        robot: The planar arm: every link begins where the one before ends.
        joints: Joint positions. Shape (..., 4). [rad]

    Returns:
        Shape (..., 2). [m]
    """
    lengths = np.array([link.position[0] for link in robot.links[2:]])
    angle = np.cumsum(joints, axis=-1)
    return np.stack([(lengths * np.cos(angle)).sum(-1), (lengths * np.sin(angle)).sum(-1)], -1)
