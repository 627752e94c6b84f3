"""How near a person's points come to the body of what a robot carries at its load cell."""

import numpy as np

from robot_policies.control.load import carried_links
from robot_policies.interface import RobotSpec
from robot_policies.interface.frames import matrix, quaternion
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.robot_parts import Shape


class CarriedBody:
    """The shapes of the links that the load cell carries, without those that touch nothing."""

    def __init__(self, robot: RobotSpec) -> None:
        """Find them.

        Args:
            robot: A robot with a load cell.
        """
        carried = carried_links(robot, robot.wrench_link)
        solid = {link.name: [s for s in link.shapes if s.collides] for link in carried}
        self._links = [(Kinematics(robot, name), some) for name, some in solid.items() if some]

    def distance(self, points: np.ndarray, joints: np.ndarray) -> float:
        """Return how far the nearest point is from it; negative inside, infinite if none. [m].

        Args:
            points: Base frame. Shape (n, 3). [m]
            joints: Joint positions in `RobotSpec.joints` order. Shape (n,).
        """
        nearest = np.inf
        for kinematics, shapes in self._links:
            rotation, position = kinematics.pose(joints)
            local = (points - position) @ rotation
            for shape in shapes:
                nearest = min(nearest, float(outside(shape, local).min(initial=np.inf)))
        return nearest


def outside(shape: Shape, points: np.ndarray) -> np.ndarray:
    """Return how far points are from a shape, negative inside. Shape (n,). [m].

    A box and a cylinder reach s along their axes; with d = |p| - s the distance is
    |max(d, 0)| + min(max d, 0). A capsule is a segment, a sphere a point, with a radius.
    Source: https://iquilezles.org/articles/distfunctions/.

    Args:
        shape: The shape.
        points: In its link's frame. Shape (n, 3). [m]
    """
    turn = matrix(quaternion(shape.rotation))
    local = np.abs((points - np.asarray(shape.position)) @ turn)
    if shape.kind in ("sphere", "capsule"):
        radius, length = (*shape.size, 0.0)[:2]
        local[:, 2] = np.maximum(local[:, 2] - length, 0.0)
        return np.linalg.norm(local, axis=1) - radius
    if shape.kind == "cylinder":
        local = np.stack([np.hypot(local[:, 0], local[:, 1]), local[:, 2]], axis=1)
    beyond = local - np.asarray(shape.size)
    return np.linalg.norm(np.maximum(beyond, 0.0), axis=1) + np.minimum(beyond.max(axis=1), 0.0)
