"""PyBullet as the robot: a second engine that shares no code with the one policies train in.

What works in both has not learned one engine's quirks. The joint servo is explicit: its torque is
computed from the measured state before every physics step, limited by the table's efforts. Its
damping would come too late at the servo rate, so there are two physics steps to one servo step.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from robot_policies.interface import BackendError, RobotSpec, RobotState
from robot_policies.interface.frames import matrix, quaternion, to_body
from robot_policies.interface.gravity import DOWN, GRAVITY, UP
from robot_policies.interface.observation import IMU, WRENCH
from robot_policies.interface.robot_parts import Camera, Gains
from robot_policies_sim.engines.cameras import Picture
from robot_policies_sim.engines.pybullet.picture import draw
from robot_policies_sim.engines.pybullet.quiet_import import pybullet
from robot_policies_sim.engines.pybullet.robot import load_robot
from robot_policies_sim.engines.pybullet.world import build_world
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
        view = self.world.view  # spherical coordinates round a point above the floor
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
        """Draw what a camera sees: its eye is p + R c and its axes are R C.

        The link's pose is (p, R), the camera's on it (c, C).
        """
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
        labels[bodies == self._loaded.body] = classes[ROBOT]
        for item in self.world.objects:
            labels[bodies == self._objects[item.name]] = classes[item.label]
        return labels

    def _load(self, robot: RobotSpec, scene: Mapping[str, Any]) -> None:
        client, world = self._client, World.from_mapping(scene)
        if world.cloths:
            names = ", ".join(cloth.name for cloth in world.cloths)
            raise BackendError(
                f"pybullet: cannot simulate the cloth '{names}'; use --backend mujoco"
            )
        pybullet.resetSimulation(physicsClientId=client)
        pybullet.setGravity(*(GRAVITY * DOWN), physicsClientId=client)
        step = 1.0 / robot.servo_rate / self.substeps
        pybullet.setTimeStep(step, physicsClientId=client)
        pybullet.setPhysicsEngineParameter(deterministicOverlappingPairs=1, physicsClientId=client)
        mass = sum(link.mass for link in robot.links)
        self._objects = build_world(client, world, mass)
        self._loaded = load_robot(client, robot, world.contact)
        self._effort = robot.effort
        self._drivers = [robot.joint_names.index(joint.driver) for joint in robot.coupled]

    def _place(self, conditions: EpisodeConditions) -> None:
        self._loaded.place(conditions, self.spec)
        for name, pose in conditions.objects.items():
            self._move(name, pose)
        self._torque = np.zeros(len(self.spec.joints))
        self._acceleration = np.zeros(3)

    def _positions(self) -> np.ndarray:
        return self._loaded.joint_state()[0]

    def _track(self, target: np.ndarray, gains: Gains) -> None:
        self._target, self._gains = target, gains

    def _move(self, name: str, pose: np.ndarray) -> None:
        pybullet.resetBasePositionAndOrientation(
            self._objects[name], pose[:3], pose[3:], physicsClientId=self._client
        )

    def _push(self, velocity: np.ndarray) -> None:
        self._loaded.push(velocity)

    def _step(self) -> None:
        """Run one servo step; the torque k (target - q) - d dq is limited by the effort."""
        robot, before = self._loaded, self._loaded.base_motion()[0]
        for _ in range(self.substeps):
            position, velocity = robot.joint_state()
            torque = self._gains.stiffness * (self._target - position)
            torque = torque - self._gains.damping * velocity
            self._torque = np.clip(torque, -self._effort, self._effort)
            robot.drive(self._torque)
            if self._drivers:
                self._carry(position)
            pybullet.stepSimulation(physicsClientId=self._client)
        self._acceleration = (robot.base_motion()[0] - before) * self.spec.servo_rate

    def _carry(self, position: np.ndarray) -> None:
        followers = zip(self.spec.coupled, position[self._drivers], strict=True)
        target = np.array([joint.position(driver) for joint, driver in followers])
        self._loaded.carry(target, self._effort[self._drivers])

    def _is_finite(self) -> bool:
        base, joints = self._link_pose(self.spec.links[0].name), self._loaded.joint_state()
        return bool(np.isfinite(joints).all() and np.isfinite(base).all())

    def _measure(self) -> RobotState:
        position, velocity = self._loaded.joint_state()
        features: dict[str, np.ndarray] = {}
        if self.spec.imu_link:
            features[IMU] = self._imu()
        if self.spec.wrench_link:
            features[WRENCH] = self._loaded.wrench(self.spec.wrench_link).astype(np.float32)
        return RobotState(
            stamp=self.time,
            joint_position=position,
            joint_velocity=velocity,
            joint_effort=self._torque.copy(),
            features=features,
            stamps=dict.fromkeys(features, self.time),
            truth=self._truth(),
        )

    def _imu(self) -> np.ndarray:
        """Return orientation, angular velocity and specific force of the base. Shape (10,).

        The specific force is the acceleration of a servo step minus gravity, in the body frame.
        """
        orientation = self._link_pose(self.spec.imu_link)[3:]
        _, spin = self._loaded.base_motion()
        force = self._acceleration + GRAVITY * UP
        return np.concatenate(
            [orientation, to_body(orientation, spin), to_body(orientation, force)]
        ).astype(np.float32)

    def _truth(self) -> dict[str, np.ndarray]:
        truth: dict[str, np.ndarray] = {}
        if self.spec.floating_base:
            pose = self._link_pose(self.spec.links[0].name)
            linear, angular = self._loaded.base_motion()
            truth["base_position"], truth["base_orientation"] = pose[:3], pose[3:]
            truth["base_velocity"] = to_body(pose[3:], linear)
            truth["base_angular_velocity"] = to_body(pose[3:], angular)
        if self.spec.workspace is not None:
            truth["end_effector"] = self._link_pose(self.spec.workspace.link)
        for link in self.spec.links:
            for shape in link.shapes:
                if shape.name and shape.collides:
                    center, force = self._loaded.touch(link, shape)
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
        owners = {body: name for name, body in self._objects.items()} | {self._loaded.body: ROBOT}
        for point in pybullet.getContactPoints(physicsClientId=self._client) or ():
            yield owners.get(point[1], FLOOR), owners.get(point[2], FLOOR), point[9]

    def _link_pose(self, link: str) -> np.ndarray:
        return self._loaded.link_pose(link)
