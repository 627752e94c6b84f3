"""What the joints of a robot carry: inertia and weight, from its links."""

import numpy as np

from robot_policies.interface.frames import matrix, quaternion
from robot_policies.interface.gravity import DOWN, GRAVITY
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.robot import RobotSpec

POSES, SEED = 200, 0


def joint_inertias(robot: RobotSpec) -> np.ndarray:
    """Return the inertia about each joint in the default pose, rotors included. Shape (n,).

    M_ii = sum over links of m |v_i|^2 + w_i . I w_i, with the velocity v_i of a link's centre of
    mass and its spin w_i per motion of joint i, and the rotor's inertia. [kg m^2], [kg]
    """
    inertias = np.array([joint.armature for joint in robot.joints], float)
    for link in robot.links:
        if not link.mass:
            continue
        kinematics = Kinematics(robot, link.name)
        turn, _ = kinematics.pose(robot.default)
        linear, angular = _motion(kinematics, robot.default, turn @ link.center_of_mass)
        axes = turn @ matrix(quaternion(link.principal_axes))
        inertias += link.mass * np.square(linear).sum(axis=0)
        inertias += (np.square(axes.T @ angular) * link.inertia[:, None]).sum(axis=0)
    return inertias


def gravity_loads(robot: RobotSpec) -> np.ndarray:
    """Return the greatest load of each joint by weight over random poses. Shape (n,). [N m], [N].

    The load is the sum of m g . v_i over links, with v_i as in `joint_inertias`.
    """
    rng, largest = np.random.default_rng(SEED), np.zeros(len(robot.joints))
    chains = [(link, Kinematics(robot, link.name)) for link in robot.links if link.mass]
    for _ in range(POSES):
        joints, load = rng.uniform(robot.lower, robot.upper), np.zeros(len(robot.joints))
        for link, kinematics in chains:
            turn, _ = kinematics.pose(joints)
            linear, _ = _motion(kinematics, joints, turn @ link.center_of_mass)
            load += link.mass * GRAVITY * (DOWN @ linear)
        largest = np.maximum(largest, np.abs(load))
    return largest


def lowest_point(robot: RobotSpec) -> float:
    """Return the height of the lowest shape in the default pose, of a mesh its frame. [m]."""
    lowest = 0.0
    for link in robot.links:
        turn, place = Kinematics(robot, link.name).pose(robot.default)
        for shape in link.shapes:
            center = place + turn @ np.asarray(shape.position)
            axes = turn @ matrix(quaternion(shape.rotation))
            extent = 0.0
            if shape.kind == "box":
                extent = float(np.abs(axes[2]) @ np.asarray(shape.size))
            elif shape.kind != "mesh":
                radius, half = (*shape.size, 0.0)[:2]
                extent = radius + abs(float(axes[2, 2])) * half
            lowest = min(lowest, float(center[2]) - extent)
    return lowest


def _motion(
    kinematics: Kinematics, joints: np.ndarray, lever: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return velocity and spin of a point that moves with a link, per joint. Shapes (3, n).

    The point at the lever r from the link's origin has v + w x r.
    """
    jacobian = kinematics.jacobian(joints)
    linear, angular = jacobian[:3], jacobian[3:]
    return linear + np.cross(angular, lever, axisa=0, axisc=0), angular
