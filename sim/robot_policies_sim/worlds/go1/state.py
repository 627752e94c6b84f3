"""Where the numbers of walking robots lie in MuJoCo's state: one row a robot, named slices.

MuJoCo's "full physics" state of a free body with `J` joints is time, then the position q = (base,
its quaternion w, x, y, z, joints), then the velocity dq = (base in the world frame, its turn in
the body frame, joints).
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from robot_policies.interface import ConfigError, RobotSpec
from robot_policies_sim.engines.mujoco.elements import XYZW

PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS


@dataclass(frozen=True)
class StateLayout:
    """Slices of a row of `width` numbers.

    Attributes:
        width: Numbers in a row.
        position: Of the base, world frame. [m]
        quaternion: Of the base: w, x, y, z.
        joint_position: [rad]
        velocity: All of dq: `linear`, `turn` and `joint_velocity`.
        base_velocity: `linear` and `turn`.
        linear: Velocity of the base, world frame. [m/s]
        turn: Angular velocity of the base, body frame. [rad/s]
        joint_velocity: [rad/s]
    """

    width: int
    position: slice
    quaternion: slice
    joint_position: slice
    velocity: slice
    base_velocity: slice
    linear: slice
    turn: slice
    joint_velocity: slice

    @classmethod
    def of(cls, joints: int) -> "StateLayout":
        """Return the layout for a number of joints, J: q is J + 7 and dq is J + 6 wide."""
        dq, width = 8 + joints, 14 + 2 * joints
        return cls(
            width=width,
            position=slice(1, 4),
            quaternion=slice(4, 8),
            joint_position=slice(8, dq),
            velocity=slice(dq, width),
            base_velocity=slice(dq, dq + 6),
            linear=slice(dq, dq + 3),
            turn=slice(dq + 3, dq + 6),
            joint_velocity=slice(dq + 6, width),
        )

    def orientation(self, states: np.ndarray) -> np.ndarray:
        """Return the quaternions of the bases: x, y, z, w. Shape (N, width) -> (N, 4)."""
        return states[:, self.quaternion][:, XYZW]

    def start(self, robot: RobotSpec, model: mujoco.MjModel) -> np.ndarray:
        """Return the state of a robot in its default pose with its feet on the ground.

        Args:
            robot: The robot.
            model: Its model; the base stands as high as its table says.

        Returns:
            Shape (width,).

        Raises:
            ConfigError: If the model's state is not laid out like this.
        """
        data = mujoco.MjData(model)
        data.qpos[7:] = robot.default
        state = np.zeros(mujoco.mj_stateSize(model, PHYSICS))
        mujoco.mj_getState(model, data, state, PHYSICS)
        if len(state) != self.width:
            raise ConfigError(
                f"{robot.name}: a state has {len(state)} numbers, expected {self.width}: "
                "time, q and dq of a free base and its joints"
            )
        return state
