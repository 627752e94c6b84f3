"""Forward kinematics and differential inverse kinematics of a robot's link tree.

Conventions are URDF's: a link's frame is its parent's, moved by `position` and `rotation` (roll,
pitch, yaw about fixed axes) and then by its joint about or along `axis`.

References: Siciliano & Slotine 1991 (task priority), Maciejewski & Klein 1988 and Chiaverini,
Siciliano & Egeland 1994 (damping of small singular values only).
"""

import numpy as np

from robot_policies.interface.errors import ContractError, suggestion
from robot_policies.interface.frames import (
    cross,
    matrix,
    quaternion,
    rotation_about,
    rotation_vector,
)
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.robot_parts import CoupledJoint

# Damping at a singularity; motions well below it are not followed, so that the arm stays calm.
LINEAR_DAMPING = 0.01  # m per rad; a tabletop arm has 0.1 to 0.4
ANGULAR_DAMPING = 0.1  # rad per rad; of the order of 1
REACH_STEP, REACH_STEPS = 0.1, 300  # m or rad; so many on the way to a pose far away
# Times the damping; singular values above are not damped. There the exact inverse is no larger
# than a constant damping lets it become, 1 / (2 damping); what is too fast for a joint is slowed.
REGULAR = 2.0


class Kinematics:
    """Pose, Jacobian and small motions of one link, in the base frame."""

    def __init__(self, robot: RobotSpec, link: str) -> None:
        """Follow the tree from the base to the link.

        Args:
            robot: The robot.
            link: The link to move or to watch.

        Raises:
            ContractError: If there is no such link.
        """
        links = {entry.name: entry for entry in robot.links}
        if link not in links:
            raise ContractError(f"{robot.name}: no link '{link}'.{suggestion(link, links)}")
        self._robot = robot
        coupled = {joint.name: joint for joint in robot.coupled}
        chain: list[tuple[np.ndarray, np.ndarray, np.ndarray, int, bool, CoupledJoint | None]] = []
        while links[link].parent:
            entry = links[link]
            follower = coupled.get(entry.joint)
            joint = follower.driver if follower else entry.joint
            index = robot.joint_names.index(joint) if joint else -1
            sliding = index >= 0 and (follower or robot.joints[index]).sliding
            axis = entry.axis / np.linalg.norm(entry.axis)
            fixed = matrix(quaternion(entry.rotation))
            chain.append((fixed, entry.position, axis, index, sliding, follower))
            link = entry.parent
        self._chain = chain[::-1]

    def pose(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rotation matrix (3, 3) and position (3,) [m] of the link.

        Args:
            joints: Joint positions in `RobotSpec.joints` order. Shape (n,).
        """
        rotation, position, _ = self._walk(joints)
        return rotation, position

    def jacobian(self, joints: np.ndarray) -> np.ndarray:
        """Return how the link moves per joint.

        Returns:
            Linear velocity (rows 0-2) and angular velocity (rows 3-5). Shape (6, n).
        """
        _, tip, moved = self._walk(joints)
        jacobian = np.zeros((6, len(self._robot.joints)))
        for index, sliding, axis, origin in moved:  # of a coupled joint, times its slope
            if sliding:
                jacobian[:3, index] += axis
            else:
                jacobian[:3, index] += cross(axis, tip - origin)
                jacobian[3:, index] += axis
        return jacobian

    def step(self, joints: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """Return joint positions that displace the link by a small amount.

        Position goes before rotation: an arm with fewer than six joints moves where it is told
        and turns as far as the rest of its freedom allows. A joint that would leave its range is
        kept where it is and the others are asked again.

        Args:
            joints: Where the robot is. Shape (n,).
            delta: Displacement x y z [m] and rotation vector [rad] in the base frame. Shape (6,).

        Returns:
            Joint positions. Shape (n,).
        """
        free = np.ones(len(joints), dtype=bool)
        while True:
            begin = _two_tasks(self.jacobian(joints) * free, delta)
            # The Jacobian halfway there: along it the link follows its line, not the tangent.
            change = _two_tasks(self.jacobian(joints + 0.5 * begin) * free, delta)
            target = joints + change
            stuck = free & (change != 0.0)
            stuck &= (target < self._robot.lower) | (target > self._robot.upper)
            if not stuck.any():
                return target
            free &= ~stuck

    def reach(
        self,
        joints: np.ndarray,
        rotation: np.ndarray,
        position: np.ndarray,
        accuracy: float = 1e-4,
    ) -> np.ndarray:
        """Return joint positions that bring the link to a pose, by many small steps from others.

        Args:
            joints: Where to begin. Shape (n,).
            rotation: Of the link in the base frame. Shape (3, 3).
            position: Of its origin. Shape (3,). [m]
            accuracy: Largest error that is left. [m], [rad]

        Raises:
            ContractError: If the pose is not reached; what is missing is named.
        """
        off = np.full(6, np.inf)
        for _ in range(REACH_STEPS):
            here, there = self.pose(joints)
            off = np.concatenate([position - there, rotation_vector(rotation @ here.T)])
            if np.abs(off).max() <= accuracy:
                return joints
            share = min(1.0, REACH_STEP / float(np.abs(off).max()))
            joints = self.step(joints, share * off)
        raise ContractError(
            f"{self._robot.name}: the pose at {np.round(position, 3)} m is not reached, "
            f"{np.linalg.norm(off[:3]):.3f} m and {np.linalg.norm(off[3:]):.3f} rad are missing"
        )

    def _walk(
        self, joints: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, list[tuple[int, bool, np.ndarray, np.ndarray]]]:
        """Follow the chain of links from the base to the end.

        A link with the fixed offset o and turn F comes to p' = p + R o and R' = R F. A turning
        joint of axis a makes R' exp(q [a]x) of R', a sliding one makes p' + R' a q of p' (the
        product of homogeneous transforms).

        Returns:
            Rotation (3, 3) and position (3,) of the end, and of each joint that moves: the number
            of the actuated joint, whether it slides, its axis times its motion per motion of that
            one, and a point on it, in the base's frame.
        """
        rotation, position, moved = np.eye(3), np.zeros(3), []
        for fixed, offset, axis, index, sliding, follower in self._chain:
            position = position + rotation @ offset
            rotation = rotation @ fixed
            if index < 0:
                continue
            value, slope = joints[index], 1.0
            if follower:
                value, slope = follower.position(value), follower.slope(value)
            moved.append((index, sliding, slope * (rotation @ axis), position))
            if sliding:
                position = position + rotation @ axis * value
            else:
                rotation = rotation @ rotation_about(axis, value)
        return rotation, position, moved


def _two_tasks(jacobian: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Return the joint motion for a displacement, position before rotation. Shape (n,).

    dq = J1* x1 + N (J2 N)* (x2 - J2 J1* x1), with 1 the position, 2 the rotation, * the damped
    inverse and N = 1 - pinv(J1) J1 (Siciliano & Slotine 1991).
    """
    linear, angular = jacobian[:3], jacobian[3:]
    change = _damped(linear, LINEAR_DAMPING) @ delta[:3]
    null = np.eye(jacobian.shape[1]) - np.linalg.pinv(linear, rcond=1e-3) @ linear
    rest = delta[3:] - angular @ change
    return change + null @ _damped(angular @ null, ANGULAR_DAMPING) @ rest


def _damped(jacobian: np.ndarray, damping: float) -> np.ndarray:
    """Return the inverse, with what is close to a singularity damped.

    Singular value s becomes s / (s^2 + d^2), with d^2 = damping^2 max(0, 1 - (s / bound)^2) and
    bound = REGULAR damping (Chiaverini, Siciliano & Egeland 1994).
    """
    left, values, right = np.linalg.svd(jacobian, full_matrices=False)
    squared = damping**2 * np.maximum(0.0, 1.0 - (values / (REGULAR * damping)) ** 2)
    gains = np.divide(values, values**2 + squared, out=0.0 * values, where=values > 0.0)
    return (right.T * gains) @ left.T
