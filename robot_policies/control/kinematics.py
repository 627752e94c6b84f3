"""Forward kinematics and differential inverse kinematics of a robot's link tree.

Conventions are URDF's: a link's frame is its parent's, moved by `position` and `rotation` (roll,
pitch, yaw about fixed axes) and then by its joint about or along `axis`.

References: Siciliano & Slotine 1991 (task priority), Maciejewski & Klein 1988 (damping of small
singular values only).
"""

import numpy as np

from robot_policies.interface import Action, ActionKind, ContractError, RobotSpec
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.errors import suggestion

# Damping at a singularity; motions well below it are not followed, so that the arm stays calm.
LINEAR_DAMPING = 0.01  # m per rad; a tabletop arm has 0.1 to 0.4
ANGULAR_DAMPING = 0.1  # rad per rad; of the order of 1
REGULAR = 5.0  # times the damping; singular values above are not damped, and followed exactly


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
        self._chain: list[tuple[np.ndarray, np.ndarray, np.ndarray, int, bool]] = []
        while links[link].parent:
            entry = links[link]
            index = robot.joint_names.index(entry.joint) if entry.joint else -1
            sliding = index >= 0 and robot.joints[index].sliding
            axis = entry.axis / np.linalg.norm(entry.axis)
            fixed = rotation_from_rpy(entry.rotation)
            self._chain.append((fixed, entry.position, axis, index, sliding))
            link = entry.parent
        self._chain.reverse()

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
        for index, sliding, axis, origin in moved:
            if sliding:
                jacobian[:3, index] = axis
            else:
                jacobian[:3, index] = np.cross(axis, tip - origin)
                jacobian[3:, index] = axis
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

    def _walk(
        self, joints: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, list[tuple[int, bool, np.ndarray, np.ndarray]]]:
        rotation, position, moved = np.eye(3), np.zeros(3), []
        for fixed, offset, axis, index, sliding in self._chain:
            position = position + rotation @ offset
            rotation = rotation @ fixed
            if index < 0:
                continue
            moved.append((index, sliding, rotation @ axis, position))
            if sliding:
                position = position + rotation @ axis * joints[index]
            else:
                rotation = rotation @ rotation_about(axis, joints[index])
        return rotation, position, moved


class CartesianResolver:
    """Turns `cartesian_delta` actions into joint position targets.

    The first six elements displace the workspace link; any further ones are joints by name (a
    gripper), whose value is an absolute position. What would take a joint beyond its speed is
    followed more slowly along the same line: near a singularity it cannot be followed otherwise.
    """

    def __init__(self, robot: RobotSpec, dt: float) -> None:
        """Choose the link.

        Args:
            robot: The robot; the link is the one its workspace watches, or else its last.
            dt: Time over which one action's displacement is meant to happen. [s]
        """
        link = robot.workspace.link if robot.workspace else robot.links[-1].name
        self._robot, self._kinematics = robot, Kinematics(robot, link)
        self._fraction = 1.0 / (robot.control_rate * dt)
        self._furthest = robot.velocity / robot.control_rate

    def resolve(self, action: Action, joints: np.ndarray) -> Action:
        """Return the joint targets for one control step.

        Args:
            action: Displacement, in the base frame, over the policy's `dt`.
            joints: Last commanded joint positions. Shape (n,).

        Raises:
            ContractError: If the elements are not those above.
        """
        names = self._robot.joint_names
        extra = action.names[6:]
        if action.names[:6] != CARTESIAN_DELTA_NAMES or not set(extra) <= set(names):
            raise ContractError(
                f"cartesian_delta: elements {action.names}, "
                f"expected {CARTESIAN_DELTA_NAMES} and then joints of {names}"
            )
        if not np.isfinite(action.values).all():  # the gate's to refuse, joint by joint
            target = np.full(len(names), np.nan)
        else:
            change = self._kinematics.step(joints, action.values[:6] * self._fraction) - joints
            target = joints + change / max(1.0, float(np.max(np.abs(change) / self._furthest)))
        for name, value in zip(extra, action.values[6:], strict=True):
            target[names.index(name)] = value
        return Action(target, names, ActionKind.JOINT_POSITION, action.stamp, action.limits)


def rotation_from_rpy(rpy: np.ndarray) -> np.ndarray:
    """Return the rotation matrix of roll, pitch, yaw about fixed axes. Shape (3, 3)."""
    roll, pitch, yaw = rpy
    x, y, z = np.eye(3)
    return rotation_about(z, yaw) @ rotation_about(y, pitch) @ rotation_about(x, roll)


def rotation_about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the rotation matrix about a unit axis (Rodrigues). Shape (3, 3)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross


def _two_tasks(jacobian: np.ndarray, delta: np.ndarray) -> np.ndarray:
    linear, angular = jacobian[:3], jacobian[3:]
    change = _damped(linear, LINEAR_DAMPING) @ delta[:3]
    null = np.eye(jacobian.shape[1]) - np.linalg.pinv(linear, rcond=1e-3) @ linear
    rest = delta[3:] - angular @ change
    return change + null @ _damped(angular @ null, ANGULAR_DAMPING) @ rest


def _damped(jacobian: np.ndarray, damping: float) -> np.ndarray:
    """Return the inverse, with what is close to a singularity damped."""
    left, values, right = np.linalg.svd(jacobian, full_matrices=False)
    squared = damping**2 * np.maximum(0.0, 1.0 - (values / (REGULAR * damping)) ** 2)
    gains = np.divide(values, values**2 + squared, out=0.0 * values, where=values > 0.0)
    return (right.T * gains) @ left.T
