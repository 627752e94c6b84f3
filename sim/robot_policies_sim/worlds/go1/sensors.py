"""What the sensors of many quadrupeds say: the state, with noise."""

from dataclasses import dataclass

import numpy as np

from robot_policies.interface.frames import turned
from robot_policies_sim.scene.randomization import Randomization
from robot_policies_sim.worlds.go1.state import StateLayout


@dataclass(frozen=True, eq=False)
class Readings:
    """What `N` robots with `J` joints measure.

    Attributes:
        orientation: Quaternion x, y, z, w. Shape (N, 4).
        turn: Angular velocity, body frame. Shape (N, 3). [rad/s]
        joint_position: Shape (N, J). [rad]
        joint_velocity: Shape (N, J). [rad/s]
    """

    orientation: np.ndarray
    turn: np.ndarray
    joint_position: np.ndarray
    joint_velocity: np.ndarray


def read(
    states: np.ndarray, layout: StateLayout, ranges: Randomization, rng: np.random.Generator
) -> Readings:
    """Return what the sensors say of a state; every number has its own uniform noise.

    Args:
        states: Rows of the simulator. Shape (N, width).
        layout: What lies where in a row.
        ranges: How large the noise is.
        rng: Source of chance.
    """
    position, velocity = states[:, layout.joint_position], states[:, layout.joint_velocity]
    joints = position.shape[1]
    noise = rng.uniform(-1.0, 1.0, (len(states), 6 + 2 * joints))
    of_tilt, of_turn, of_position, of_velocity = np.split(noise, [3, 6, 6 + joints], axis=1)
    return Readings(
        orientation=turned(layout.orientation(states), of_tilt * ranges.orientation_noise),
        turn=states[:, layout.turn] + of_turn * ranges.turn_noise,
        joint_position=position + of_position * ranges.position_noise,
        joint_velocity=velocity + of_velocity * ranges.velocity_noise,
    )
