"""What is wrong with a simulated robot's sensors: noise, and cameras that are not in their places.

What is drawn at a moment depends on the episode's seed and that moment alone, so that it does not
matter who else reads. The truth of a state has no noise.
"""

from collections.abc import Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np

from robot_policies.interface import RobotState
from robot_policies.interface.frames import turned
from robot_policies.interface.observation import IMU
from robot_policies.interface.robot_parts import Camera
from robot_policies_sim.engines.cameras import Picture
from robot_policies_sim.scene.conditions import EpisodeConditions

STATE, PICTURE, MOUNT = 0x5E45, 0x91C7, 0x3047  # what is drawn, apart from each other


class Sensors:
    """The sensors of one episode."""

    def __init__(self, conditions: EpisodeConditions, seed: int) -> None:
        """Take how bad they are.

        Args:
            conditions: Of the episode.
            seed: Of the episode.
        """
        self._has, self._seed = conditions, seed
        amplitudes = (
            conditions.orientation_noise,
            conditions.turn_noise,
            conditions.position_noise,
            conditions.velocity_noise,
        )
        self._quiet = not any(amplitudes)

    def mounted(self, cameras: Sequence[Camera]) -> tuple[Camera, ...]:
        """Return the cameras where they are, and not where the table says."""
        shift, turn = self._has.camera_shift, self._has.camera_turn
        if not (shift or turn):
            return tuple(cameras)
        moved = []
        for camera in cameras:
            along, about = self._rng(MOUNT, crc32(camera.name.encode())).normal(size=(2, 3))
            moved.append(
                replace(
                    camera,
                    position=camera.position + shift * along / np.linalg.norm(along),
                    rotation=camera.rotation + turn * about / np.linalg.norm(about),
                )
            )
        return tuple(moved)

    def measure(self, state: RobotState, step: int) -> RobotState:
        """Return a state as the robot measures it.

        Args:
            state: As it is.
            step: Servo steps since the start.
        """
        if self._quiet:
            return state
        has, joints = self._has, len(state.joint_position)
        noise = self._rng(STATE, step).uniform(-1.0, 1.0, 6 + 2 * joints)
        tilt, turn, position, velocity = np.split(noise, [3, 6, 6 + joints])
        features = dict(state.features)
        if IMU in features:
            imu = features[IMU].astype(float)
            imu[:4] = turned(imu[:4], has.orientation_noise * tilt)
            imu[4:7] += has.turn_noise * turn
            features[IMU] = imu.astype(np.float32)
        return replace(
            state,
            joint_position=state.joint_position + has.position_noise * position,
            joint_velocity=state.joint_velocity + has.velocity_noise * velocity,
            features=features,
        )

    def expose(self, picture: Picture, camera: str, step: int) -> Picture:
        """Return a picture with the noise of its pixels.

        Args:
            picture: As it is.
            camera: Which camera took it.
            step: Servo steps since the start.
        """
        if not self._has.picture_noise:
            return picture
        rng = self._rng(PICTURE, crc32(camera.encode()), step)
        noise = rng.normal(0.0, self._has.picture_noise, picture.color.shape)
        noisy = np.clip(np.rint(picture.color + noise), 0, 255).astype(np.uint8)
        return replace(picture, color=noisy)

    def _rng(self, *what: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, *what))
