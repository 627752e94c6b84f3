"""PyBullet as the robot: a second engine that shares no code with the one policies train in.

What works in both has not learned one engine's quirks. The joint servo is explicit: its torque is
computed from the measured state before every physics step, limited by the table's efforts. Its
damping would come too late at the servo rate, so there are two physics steps to one servo step.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from robot_policies.interface import RobotSpec, RobotState
from robot_policies.interface.frames import cross, matrix, quaternion, to_body
from robot_policies.interface.gravity import DOWN, GRAVITY, UP
from robot_policies.interface.observation import IMU, WRENCH
from robot_policies.interface.robot_parts import Camera, Gains
from robot_policies_sim.engines.cameras import Picture
from robot_policies_sim.engines.pybullet.quiet_import import pybullet
from robot_policies_sim.engines.pybullet.robot import load_robot
from robot_policies_sim.engines.pybullet.world import build_world, draw
from robot_policies_sim.engines.stepped import SteppedSimulator
from robot_policies_sim.scene.conditions import EpisodeConditions
from robot_policies_sim.scene.world import FLOOR, ROBOT, World


class PybulletBackend(SteppedSimulator):
    """A `Simulator` on PyBullet."""

    name = "pybullet"
    substeps = 2  # per servo step
    _client = -1

    def connect(self) -> None:
        """Start a physics server inside this process."""
        if self._client < 0:
            self._client = pybullet.connect(pybullet.DIRECT)
        super().connect()

    def close(self) -> None:
        """Stop the physics server."""
        super().close()
        if self._client >= 0:
            pybullet.disconnect(physicsClientId=self._client)
            self._client = -1

    def render(self, width: int, height: int) -> np.ndarray:
        """Return a picture of the scene for people. Shape (height, width, 3), uint8 RGB."""
        self._require_running("render")
        view = self.world.view
        base = self._link_pose(self.spec.links[0].name)[:3]
        target = base * [1.0, 1.0, 0.0] + view.target
        azimuth, elevation = np.radians(view.azimuth), np.radians(view.elevation)
        ahead = np.array(
            [
                np.cos(elevation) * np.cos(azimuth),
                np.cos(elevation) * np.sin(azimuth),
                np.sin(elevation),
            ]
        )
        eye = target - view.distance * ahead
        focal = height / 2 / np.tan(np.radians(45.0) / 2)  # MuJoCo's free camera opens 45 degrees
        up = np.array([0.0, 0.0, 1.0])
        return draw(self._client, eye, target, up, width, height, focal)[0]

    def _look(self, camera: Camera) -> Picture:
        pose = self._link_pose(camera.link)
        turn = matrix(pose[3:])
        eye = pose[:3] + turn @ camera.position
        axes = turn @ matrix(quaternion(camera.rotation))  # looks along -z, y is up
        size, focal, labelled = (camera.width, camera.height), camera.focal_length, camera.labels
        ahead, up = eye - axes[:, 2], axes[:, 1]
        color, depth, bodies = draw(self._client, eye, ahead, up, *size, focal, labelled)
        return Picture(
            color=color,
            depth=depth if camera.depth else None,
            labels=self._labels(bodies) if labelled else None,
        )

    def _labels(self, bodies: np.ndarray) -> np.ndarray:
        classes, labels = self.world.classes, np.zeros(bodies.shape, np.uint8)
        labels[bodies == self._body] = classes[ROBOT]
        for item in self.world.objects:
            labels[bodies == self._objects[item.name]] = classes[item.label]
        return labels

    def _load(self, robot: RobotSpec, scene: Mapping[str, Any]) -> None:
        client, world = self._client, World.from_mapping(scene)
        pybullet.resetSimulation(physicsClientId=client)
        pybullet.setGravity(*(GRAVITY * DOWN), physicsClientId=client)
        step = 1.0 / robot.servo_rate / self.substeps
        pybullet.setTimeStep(step, physicsClientId=client)
        pybullet.setPhysicsEngineParameter(deterministicOverlappingPairs=1, physicsClientId=client)
        mass = sum(link.mass for link in robot.links)
        self._objects = build_world(client, world, mass)
        loaded = load_robot(client, robot, world.contact)
        self._body, self._links, self._joints = loaded.body, loaded.links, loaded.joints
        self._center, self._effort = loaded.center, robot.effort
        if robot.wrench_link:
            carried = self._links[robot.wrench_link]
            pybullet.enableJointForceTorqueSensor(
                self._body, carried, True, physicsClientId=client
            )
            links = {link.name: link for link in robot.links}
            self._lever = links[robot.wrench_link].center_of_mass

    def _place(self, conditions: EpisodeConditions) -> None:
        client = self._client
        if self.spec.floating_base:
            turn = matrix(conditions.base_orientation)
            pybullet.resetBasePositionAndOrientation(
                self._body,
                conditions.base_position + turn @ self._center,
                conditions.base_orientation,
                physicsClientId=client,
            )
            spin = conditions.base_angular_velocity
            velocity = conditions.base_velocity + cross(spin, self._center)
            pybullet.resetBaseVelocity(
                self._body, turn @ velocity, turn @ spin, physicsClientId=client
            )
        positions, velocities = conditions.positions(self.spec), conditions.velocities(self.spec)
        for index, position, velocity in zip(self._joints, positions, velocities, strict=True):
            pybullet.resetJointState(self._body, index, position, velocity, physicsClientId=client)
        for name, pose in conditions.objects.items():
            pybullet.resetBasePositionAndOrientation(
                self._objects[name], pose[:3], pose[3:], physicsClientId=client
            )
        self._torque = np.zeros(len(self._joints))
        self._acceleration = np.zeros(3)

    def _positions(self) -> np.ndarray:
        return self._joint_state()[0]

    def _track(self, target: np.ndarray, gains: Gains) -> None:
        self._target, self._gains = target, gains

    def _push(self, velocity: np.ndarray) -> None:
        linear, angular = pybullet.getBaseVelocity(self._body, physicsClientId=self._client)
        pybullet.resetBaseVelocity(
            self._body, np.add(linear, velocity), angular, physicsClientId=self._client
        )

    def _step(self) -> None:
        before = self._base_motion()[0]
        for _ in range(self.substeps):
            position, velocity = self._joint_state()
            torque = self._gains.stiffness * (self._target - position)
            torque = torque - self._gains.damping * velocity
            self._torque = np.clip(torque, -self._effort, self._effort)
            pybullet.setJointMotorControlArray(
                self._body,
                self._joints,
                pybullet.TORQUE_CONTROL,
                forces=self._torque,
                physicsClientId=self._client,
            )
            pybullet.stepSimulation(physicsClientId=self._client)
        self._acceleration = (self._base_motion()[0] - before) * self.spec.servo_rate

    def _is_finite(self) -> bool:
        base = pybullet.getBasePositionAndOrientation(self._body, physicsClientId=self._client)
        return bool(np.isfinite(self._joint_state()).all() and np.isfinite(np.hstack(base)).all())

    def _measure(self) -> RobotState:
        position, velocity = self._joint_state()
        features: dict[str, np.ndarray] = {}
        if self.spec.imu_link:
            features[IMU] = self._imu()
        if self.spec.wrench_link:
            features[WRENCH] = self._wrench()
        return RobotState(
            stamp=self.time,
            joint_position=position,
            joint_velocity=velocity,
            joint_effort=self._torque.copy(),
            features=features,
            stamps=dict.fromkeys(features, self.time),
            truth=self._truth(),
        )

    def _wrench(self) -> np.ndarray:
        carried = self._links[self.spec.wrench_link]
        state = pybullet.getJointState(self._body, carried, physicsClientId=self._client)
        # PyBullet gives what holds the link, about its centre of mass.
        force, torque = -np.array(state[2][:3]), -np.array(state[2][3:])
        torque = torque + cross(self._lever, force)
        return np.concatenate([force, torque]).astype(np.float32)

    def _imu(self) -> np.ndarray:
        orientation = self._link_pose(self.spec.imu_link)[3:]
        _, spin = self._base_motion()
        force = self._acceleration + GRAVITY * UP
        return np.concatenate(
            [orientation, to_body(orientation, spin), to_body(orientation, force)]
        ).astype(np.float32)

    def _truth(self) -> dict[str, np.ndarray]:
        truth: dict[str, np.ndarray] = {}
        if self.spec.floating_base:
            pose = self._link_pose(self.spec.links[0].name)
            linear, angular = self._base_motion()
            truth["base_position"], truth["base_orientation"] = pose[:3], pose[3:]
            truth["base_velocity"] = to_body(pose[3:], linear)
            truth["base_angular_velocity"] = to_body(pose[3:], angular)
        if self.spec.workspace is not None:
            truth["end_effector"] = self._link_pose(self.spec.workspace.link)
        for link in self.spec.links:
            for shape in link.shapes:
                if shape.name and shape.collides:
                    pose = self._link_pose(link.name)
                    center = pose[:3] + matrix(pose[3:]) @ shape.position
                    reach = np.linalg.norm(shape.size) + 0.001
                    force = sum(
                        contact[9]
                        for contact in self._points(linkIndexA=self._links[link.name])
                        if np.linalg.norm(contact[5] - center) <= reach
                    )
                    truth[f"contact.{shape.name}"] = np.array([force], float)
                    truth[f"position.{shape.name}"] = center
        for name, body in self._objects.items():
            pose = pybullet.getBasePositionAndOrientation(body, physicsClientId=self._client)
            truth[f"object.{name}"] = np.hstack(pose)
        if self._objects:
            truth |= self.world.contacts(self._forces())
        return truth

    def _forces(self) -> Iterator[tuple[str, str, float]]:
        """Yield the two things of each contact and its normal force [N]."""
        owners = {body: name for name, body in self._objects.items()} | {self._body: ROBOT}
        for point in pybullet.getContactPoints(physicsClientId=self._client) or ():
            yield owners.get(point[1], FLOOR), owners.get(point[2], FLOOR), point[9]

    def _points(self, **which: int) -> list[Any]:
        # On failure and where there are no contacts PyBullet returns None or an empty tuple.
        return list(
            pybullet.getContactPoints(bodyA=self._body, **which, physicsClientId=self._client)
            or ()
        )

    def _joint_state(self) -> np.ndarray:
        """Return positions and velocities. Shape (2, n)."""
        states = pybullet.getJointStates(self._body, self._joints, physicsClientId=self._client)
        return np.array([[state[0], state[1]] for state in states]).T

    def _base_motion(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the velocity of the base link's origin and its spin, in the world frame."""
        velocity = pybullet.getBaseVelocity(self._body, physicsClientId=self._client)
        _, orientation = pybullet.getBasePositionAndOrientation(
            self._body, physicsClientId=self._client
        )
        linear, angular = np.array(velocity)
        return linear - cross(angular, matrix(orientation) @ self._center), angular

    def _link_pose(self, link: str) -> np.ndarray:
        """Return position and quaternion x, y, z, w of a link frame. Shape (7,)."""
        index = self._links[link]
        if index >= 0:
            state = pybullet.getLinkState(
                self._body, index, computeForwardKinematics=1, physicsClientId=self._client
            )
            return np.hstack([state[4], state[5]])
        position, orientation = pybullet.getBasePositionAndOrientation(
            self._body, physicsClientId=self._client
        )
        return np.hstack([position - matrix(orientation) @ self._center, orientation])
