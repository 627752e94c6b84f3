"""A robot that PyBullet has loaded: where its parts are, how it is moved and what it measures."""

from dataclasses import dataclass

import numpy as np

from robot_policies.interface import RobotSpec
from robot_policies.interface.frames import cross, matrix
from robot_policies.interface.robot_parts import Link, Shape
from robot_policies_sim.engines.pybullet.quiet_import import pybullet
from robot_policies_sim.scene.conditions import EpisodeConditions


@dataclass(frozen=True, eq=False)
class LoadedRobot:
    """A robot in PyBullet.

    Attributes:
        client: Physics server.
        body: Body number.
        links: Link number by name; the base is -1.
        joints: Joint numbers in the table's order.
        coupled: Joint numbers of coupled joints, as the table has them.
        center: Centre of mass of the base in its link frame, which is where PyBullet puts the
            base's own frame. Shape (3,). [m]
        axes: Principal axes of the base in its link frame, how PyBullet turns the base's own
            frame. Quaternion. Shape (4,).
        lever: Centre of mass of the link whose wrench is measured. Shape (3,). [m]
        lever_axes: Principal axes of that link, as columns in its frame. Shape (3, 3).
    """

    client: int
    body: int
    links: dict[str, int]
    joints: list[int]
    coupled: list[int]
    center: np.ndarray
    axes: np.ndarray
    lever: np.ndarray
    lever_axes: np.ndarray

    def place(self, conditions: EpisodeConditions, robot: RobotSpec) -> None:
        """Put base and joints where an episode starts."""
        if robot.floating_base:
            turn = matrix(conditions.base_orientation)
            own = pybullet.multiplyTransforms(
                conditions.base_position, conditions.base_orientation, self.center, self.axes
            )
            pybullet.resetBasePositionAndOrientation(self.body, *own, physicsClientId=self.client)
            spin = conditions.base_angular_velocity
            velocity = conditions.base_velocity + cross(spin, self.center)
            pybullet.resetBaseVelocity(
                self.body, turn @ velocity, turn @ spin, physicsClientId=self.client
            )
        positions, velocities = conditions.positions(robot), conditions.velocities(robot)
        for index, position, velocity in zip(self.joints, positions, velocities, strict=True):
            pybullet.resetJointState(
                self.body, index, position, velocity, physicsClientId=self.client
            )
        driven = dict(zip(robot.joint_names, positions, strict=True))
        for index, joint in zip(self.coupled, robot.coupled, strict=True):
            position = joint.position(driven[joint.driver])
            pybullet.resetJointState(self.body, index, position, physicsClientId=self.client)

    def push(self, velocity: np.ndarray) -> None:
        """Add to the velocity of the base, world frame. Shape (3,). [m/s]."""
        linear, angular = pybullet.getBaseVelocity(self.body, physicsClientId=self.client)
        pybullet.resetBaseVelocity(
            self.body, np.add(linear, velocity), angular, physicsClientId=self.client
        )

    def drive(self, torque: np.ndarray) -> None:
        """Apply efforts to the joints for the next physics step. Shape (n,). [N m], [N]."""
        pybullet.setJointMotorControlArray(
            self.body,
            self.joints,
            pybullet.TORQUE_CONTROL,
            forces=torque,
            physicsClientId=self.client,
        )

    def carry(self, target: np.ndarray, effort: np.ndarray) -> None:
        """Move coupled joints to where their drivers have them in the next physics step.

        Bullet's gears know no polynomial, so a motor holds each coupled joint; the driver does
        not feel what it bears.

        Args:
            target: As the table has them. Shape (n,). [rad], [m]
            effort: Limits. Shape (n,). [N m], [N]
        """
        pybullet.setJointMotorControlArray(
            self.body,
            self.coupled,
            pybullet.POSITION_CONTROL,
            targetPositions=target,
            forces=effort,
            physicsClientId=self.client,
        )

    def joint_state(self) -> np.ndarray:
        """Return positions and velocities. Shape (2, n)."""
        states = pybullet.getJointStates(self.body, self.joints, physicsClientId=self.client)
        return np.array([[state[0], state[1]] for state in states]).T

    def base_motion(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the velocity of the base link's origin and its spin w, in the world frame.

        PyBullet tells that of the centre of mass c; the origin moves with v - w x c.
        """
        velocity = pybullet.getBaseVelocity(self.body, physicsClientId=self.client)
        linear, angular = np.array(velocity)
        lever = matrix(self._base_pose()[3:]) @ self.center
        return linear - cross(angular, lever), angular

    def _base_pose(self) -> np.ndarray:
        """Return the pose of the base's link frame: PyBullet's own frame times (c, A)^-1."""
        own = pybullet.getBasePositionAndOrientation(self.body, physicsClientId=self.client)
        back = pybullet.invertTransform(self.center, self.axes)
        return np.hstack(pybullet.multiplyTransforms(*own, *back))

    def link_pose(self, link: str) -> np.ndarray:
        """Return position and quaternion x, y, z, w of a link frame. Shape (7,)."""
        index = self.links[link]
        if index >= 0:
            state = pybullet.getLinkState(
                self.body, index, computeForwardKinematics=1, physicsClientId=self.client
            )
            return np.hstack([state[4], state[5]])
        return self._base_pose()

    def touch(self, link: Link, shape: Shape) -> tuple[np.ndarray, float]:
        """Return where a shape's centre is, shape (3,) [m], and the normal force on it [N].

        Contacts belong to links; those of a shape are the ones that lie on it.
        """
        pose = self.link_pose(link.name)
        center = pose[:3] + matrix(pose[3:]) @ shape.position
        reach = np.linalg.norm(shape.size) + 0.001
        # On failure and where there are no contacts PyBullet returns None or an empty tuple.
        points = pybullet.getContactPoints(
            bodyA=self.body, linkIndexA=self.links[link.name], physicsClientId=self.client
        )
        near = (p[9] for p in points or () if np.linalg.norm(p[5] - center) <= reach)
        return center, sum(near)

    def wrench(self, link: str) -> np.ndarray:
        """Return how a link bears on what carries it, force and torque. Shape (6,). [N, N m].

        PyBullet gives what holds the link, about its centre of mass along its principal axes: the
        force f is the negative, and the torque about the link's origin gains lever x f.
        """
        state = pybullet.getJointState(self.body, self.links[link], physicsClientId=self.client)
        force, torque = -np.reshape(state[2], (2, 3)) @ self.lever_axes.T
        return np.concatenate([force, torque + cross(self.lever, force)])
