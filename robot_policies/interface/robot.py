"""A robot: everything that is known of it, and the arrays that follow from its parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robot_policies.interface.clouds import cloud_spec
from robot_policies.interface.observation import (
    COMMAND,
    DEPTH,
    EFFORT,
    IMAGES,
    IMU,
    IMU_NAMES,
    IMU_UNITS,
    LABELS,
    POINTS,
    STATE,
    WRENCH,
    WRENCH_NAMES,
    WRENCH_UNITS,
)
from robot_policies.interface.robot_parts import (
    Camera,
    Cloud,
    CoupledJoint,
    Gains,
    Joint,
    Link,
    Workspace,
)
from robot_policies.interface.spec import ArraySpec


@dataclass(frozen=True, eq=False)
class RobotSpec:
    """Everything the package knows about a robot.

    Attributes:
        name: Robot name.
        joints: Actuated joints; this order is the order of every joint array in memory, and
            never crosses a boundary without the names.
        links: Rigid bodies, parents first.
        coupled: Joints that move along with an actuated one, such as a second finger.
        gains: One set per `CommandMode`.
        control_rate: Rate at which policies command it. [Hz]
        servo_rate: Rate of the joint servo. [Hz]
        floating_base: Whether the base moves freely.
        cameras: Cameras.
        cloud: Cloud of points that one of them gives; `None` if none does.
        imu_link: Link that carries the inertial unit; empty if there is none.
        wrench_link: Link whose load is measured where it is carried, see `observation.WRENCH`;
            empty if none is.
        tilt_limit: Largest angle between the base's z axis and up; `None` is unlimited. [rad]
        workspace: Box the end effector must stay in; `None` is unlimited.
        base_height: Height of the base in the default pose, floating bases only. [m]
    """

    name: str
    joints: tuple[Joint, ...]
    links: tuple[Link, ...]
    gains: Mapping[str, Gains]
    control_rate: float
    servo_rate: float
    floating_base: bool
    cameras: tuple[Camera, ...] = ()
    cloud: Cloud | None = None
    imu_link: str = ""
    wrench_link: str = ""
    tilt_limit: float | None = None
    workspace: Workspace | None = None
    base_height: float = 0.0
    coupled: tuple[CoupledJoint, ...] = ()

    @cached_property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joints, in order."""
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def lower(self) -> np.ndarray:
        """Lower position limits. Shape (n,). [rad], [m]."""
        return self._column("lower")

    @cached_property
    def upper(self) -> np.ndarray:
        """Upper position limits. Shape (n,). [rad], [m]."""
        return self._column("upper")

    @cached_property
    def velocity(self) -> np.ndarray:
        """Speed limits. Shape (n,). [rad/s], [m/s]."""
        return self._column("velocity")

    @cached_property
    def acceleration(self) -> np.ndarray:
        """Acceleration limits. Shape (n,). [rad/s^2], [m/s^2]."""
        return self._column("acceleration")

    @cached_property
    def jerk(self) -> np.ndarray:
        """Jerk limits. Shape (n,). [rad/s^3], [m/s^3]."""
        return self._column("jerk")

    @cached_property
    def effort(self) -> np.ndarray:
        """Effort limits. Shape (n,). [N m], [N]."""
        return self._column("effort")

    @cached_property
    def following_error(self) -> np.ndarray:
        """Following error limits, infinite where the effort is judged. Shape (n,). [rad], [m]."""
        return self._column("following_error")

    @cached_property
    def default(self) -> np.ndarray:
        """Default pose. Shape (n,). [rad], [m]."""
        return self._column("default")

    @cached_property
    def lying(self) -> np.ndarray:
        """Pose it lies in, NaN if it does not lie down. Shape (n,). [rad], [m]."""
        return self._column("lying")

    def _column(self, name: str) -> np.ndarray:
        column = np.array([getattr(joint, name) for joint in self.joints])
        column.setflags(write=False)
        return column

    @cached_property
    def command_stream(self) -> ArraySpec:
        """The joint targets in force, which the control loop adds to a measurement."""
        units = tuple("m" if joint.sliding else "rad" for joint in self.joints)
        names = tuple(f"{name}.target" for name in self.joint_names)
        return ArraySpec(COMMAND, (len(names),), unit=units, names=names)

    @cached_property
    def effort_stream(self) -> ArraySpec:
        """The torques and forces of the joints, of a backend that measures them."""
        units = tuple("N" if joint.sliding else "N m" for joint in self.joints)
        names = tuple(f"{name}.effort" for name in self.joint_names)
        return ArraySpec(EFFORT, (len(names),), unit=units, names=names)

    @cached_property
    def streams(self) -> Mapping[str, ArraySpec]:
        """Streams the robot's sensors give, by feature name."""
        position = tuple("m" if joint.sliding else "rad" for joint in self.joints)
        streams = {
            STATE: ArraySpec(
                STATE,
                (2 * len(self.joints),),
                unit=(*position, *(f"{unit}/s" for unit in position)),
                names=(
                    *(f"{name}.pos" for name in self.joint_names),
                    *(f"{name}.vel" for name in self.joint_names),
                ),
            )
        }
        if self.imu_link:
            streams[IMU] = ArraySpec(IMU, (10,), unit=IMU_UNITS, names=IMU_NAMES)
        if self.wrench_link:
            streams[WRENCH] = ArraySpec(
                WRENCH, (6,), unit=WRENCH_UNITS, names=WRENCH_NAMES, frame=self.wrench_link
            )
        for camera in self.cameras:
            name = f"{IMAGES}.{camera.name}"
            size = camera.height, camera.width
            streams[name] = ArraySpec(name, (*size, 3), np.dtype(np.uint8))
            if camera.depth:
                name = f"{DEPTH}.{camera.name}"
                streams[name] = ArraySpec(name, size, unit="m", lower=np.zeros(()))
            if camera.labels:
                name = f"{LABELS}.{camera.name}"
                streams[name] = ArraySpec(name, size, np.dtype(np.uint8))
        if self.cloud:
            streams[POINTS] = cloud_spec(self.cloud.points, self.cloud.frame, self.cloud.reach)
        return streams
