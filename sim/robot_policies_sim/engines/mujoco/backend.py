"""MuJoCo as the robot: the engine policies are trained in.

The joint servo is the model's actuators, so its torque is integrated implicitly, and its gains are
written into the model when a command's mode asks for others.
"""

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from robot_policies.interface import RobotSpec, RobotState
from robot_policies.interface.frames import to_body
from robot_policies.interface.observation import IMU, WRENCH
from robot_policies.interface.robot_parts import Camera, Gains
from robot_policies_sim.engines.cameras import Picture
from robot_policies_sim.engines.mujoco.cloth import HeldCloth
from robot_policies_sim.engines.mujoco.contacts import normal_forces, owners
from robot_policies_sim.engines.mujoco.elements import WXYZ, XYZW
from robot_policies_sim.engines.mujoco.model import mjcf
from robot_policies_sim.engines.mujoco.rendering import OffscreenRenderer
from robot_policies_sim.engines.stepped import SteppedSimulator
from robot_policies_sim.scene.conditions import EpisodeConditions
from robot_policies_sim.scene.world import FLOOR, NONE, ROBOT, World

IMU_SENSORS = ("gyro", "accelerometer")
WRENCH_SENSORS = ("force", "torque")


class MujocoBackend(SteppedSimulator):
    """A `Simulator` on MuJoCo."""

    name = "mujoco"
    measures_effort = True
    _renderer: OffscreenRenderer | None = None

    def connect(self) -> None:
        """Make the engine ready."""
        # A diverged state is this backend's error; MuJoCo would write a log where it was started.
        mujoco.set_mju_user_warning(_ignore)
        super().connect()

    def close(self) -> None:
        """Release the engine and the GL context."""
        super().close()
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def let_go(self) -> None:
        """Let all cloths go; never raises."""
        if self._running:
            for cloth in self._cloths:
                cloth.hold(False)

    def render(self, width: int, height: int) -> np.ndarray:
        """Return a picture of the scene for people. Shape (height, width, 3), uint8 RGB."""
        self._require_running("render")
        view = self.world.view
        camera = mujoco.MjvCamera()
        base = self._data.body(self.spec.links[0].name).xpos
        camera.lookat[:] = base * [1.0, 1.0, 0.0] + view.target
        camera.distance, camera.azimuth, camera.elevation = (
            view.distance,
            view.azimuth,
            view.elevation,
        )
        return self._draw(camera, width, height)

    def _draw(self, camera: mujoco.MjvCamera, width: int, height: int) -> np.ndarray:
        return self._drawing.draw(self._model, self._data, camera, width, height)

    @property
    def _drawing(self) -> OffscreenRenderer:
        if self._renderer is None:
            self._renderer = OffscreenRenderer(self._model)
        return self._renderer

    def _look(self, camera: Camera) -> Picture:
        fixed = mujoco.MjvCamera()
        fixed.type = mujoco.mjtCamera.mjCAMERA_FIXED
        fixed.fixedcamid = self._model.camera(camera.name).id
        size = camera.width, camera.height
        return Picture(
            color=self._draw(fixed, *size),
            depth=self._drawing.measure(*size) if camera.depth else None,
            labels=self._labels(fixed, *size) if camera.labels else None,
        )

    def _labels(self, camera: mujoco.MjvCamera, width: int, height: int) -> np.ndarray:
        seen = self._drawing.identify(self._model, self._data, camera, width, height)
        return self._classes[seen]  # where there is nothing, it is the last: -1

    def _load(self, robot: RobotSpec, scene: Mapping[str, Any]) -> None:
        self._model = mujoco.MjModel.from_xml_string(mjcf(robot, scene))
        self._data = mujoco.MjData(self._model)
        joints = [self._model.joint(name) for name in robot.joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        world = World.from_mapping(scene)
        self._cloths = [HeldCloth(cloth, self._model, self._data) for cloth in world.cloths]
        self._owners = owners(self._model, robot, world)
        named, things = world.classes, (*world.objects, *world.cloths)
        labels = {ROBOT: ROBOT, FLOOR: NONE} | {thing.name: thing.label for thing in things}
        classes = [*(named[labels[owner]] for owner in self._owners), named[NONE]]
        self._classes = np.array(classes, np.uint8)
        # Looking an element up by name takes as long as the rest of a reading.
        shapes = [shape for link in robot.links for shape in link.shapes if shape.collides]
        self._touching = [
            (shape.name, self._data.sensor(shape.name).data, self._data.site(shape.name).xpos)
            for shape in shapes
            if shape.name
        ]
        if robot.imu_link:
            gyro, accelerometer = (self._data.sensor(f"imu_{name}").data for name in IMU_SENSORS)
            self._inertial = self._data.body(robot.imu_link).xquat, gyro, accelerometer
        if robot.wrench_link:
            self._load_cell = [self._data.sensor(f"wrench_{n}").data for n in WRENCH_SENSORS]
        if robot.floating_base:
            base = self._data.joint("base")
            self._base = base.qpos, base.qvel

    def _place(self, conditions: EpisodeConditions) -> None:
        """Write the state; the inverse of a unit quaternion (v, w) is (-v, w)."""
        model, data = self._model, self._data
        if self.spec.floating_base:
            pose, velocity = self._base
            pose[:3] = conditions.base_position
            pose[3:] = conditions.base_orientation[WXYZ]
            # MuJoCo's free joint turns in the body frame but moves in the world frame.
            backwards = conditions.base_orientation * [-1.0, -1.0, -1.0, 1.0]
            velocity[:3] = to_body(backwards, conditions.base_velocity)
            velocity[3:] = conditions.base_angular_velocity
        data.qpos[self._qpos] = conditions.positions(self.spec)
        data.qvel[self._qvel] = conditions.velocities(self.spec)
        for name, pose in conditions.objects.items():
            self._move(name, pose)
        if self._cloths:
            mujoco.mj_kinematics(model, data)
            for cloth in self._cloths:
                cloth.grasp()

    def _positions(self) -> np.ndarray:
        return self._data.qpos[self._qpos]

    def _track(self, target: np.ndarray, gains: Gains) -> None:
        self._data.ctrl[:] = target
        self._model.actuator_gainprm[:, 0] = gains.stiffness
        self._model.actuator_biasprm[:, 1] = -gains.stiffness
        self._model.actuator_biasprm[:, 2] = -gains.damping

    def _move(self, name: str, pose: np.ndarray) -> None:
        mocap = self._model.body(name).mocapid[0]
        if mocap < 0:
            self._data.joint(name).qpos[:] = np.concatenate([pose[:3], pose[3:][WXYZ]])
        else:
            self._data.mocap_pos[mocap], self._data.mocap_quat[mocap] = pose[:3], pose[3:][WXYZ]

    def _push(self, velocity: np.ndarray) -> None:
        self._base[1][:3] += velocity

    def _step(self) -> None:
        mujoco.mj_step(self._model, self._data)

    def _is_finite(self) -> bool:
        data = self._data
        return bool(np.isfinite(data.qpos).all() and np.isfinite(data.qvel).all())

    def _measure(self) -> RobotState:
        data = self._data
        mujoco.mj_forward(self._model, data)  # sensors lag the state by a step otherwise
        features: dict[str, np.ndarray] = {}
        if self.spec.imu_link:
            orientation, gyro, accelerometer = self._inertial
            turned = np.concatenate([orientation[XYZW], gyro, accelerometer])
            features[IMU] = turned.astype(np.float32)
        if self.spec.wrench_link:
            # MuJoCo gives what holds the link.
            features[WRENCH] = -np.concatenate(self._load_cell).astype(np.float32)
        return RobotState(
            stamp=self.time,
            joint_position=data.qpos[self._qpos],
            joint_velocity=data.qvel[self._qvel],
            joint_effort=data.actuator_force.copy(),
            features=features,
            stamps=dict.fromkeys(features, self.time),
            truth=self._truth(),
        )

    def _truth(self) -> dict[str, np.ndarray]:
        truth: dict[str, np.ndarray] = {}
        if self.spec.floating_base:
            pose, velocity = self._base
            orientation = pose[3:][XYZW]
            truth["base_position"] = pose[:3].copy()
            truth["base_orientation"] = orientation
            truth["base_velocity"] = to_body(orientation, velocity[:3])
            truth["base_angular_velocity"] = velocity[3:].copy()
        if self.spec.workspace is not None:
            truth["end_effector"] = self._link_pose(self.spec.workspace.link)
        for name, force, position in self._touching:
            truth[f"contact.{name}"] = force.copy()
            truth[f"position.{name}"] = position.copy()
        for item in self.world.objects:
            truth[f"object.{item.name}"] = self._link_pose(item.name)
        for held in self._cloths:
            truth[f"cloth.{held.cloth.name}"] = held.vertices
        if self.world.objects:
            truth |= self.world.contacts(normal_forces(self._data, self._owners))
        return truth

    def _link_pose(self, link: str) -> np.ndarray:
        element = self._data.body(link)  # objects are bodies, too
        return np.concatenate([element.xpos, element.xquat[XYZW]])


def _ignore(warning: str) -> None:
    pass
