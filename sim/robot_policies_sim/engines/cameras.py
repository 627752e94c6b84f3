"""A simulated robot's cameras: each is drawn when it is due, and keeps its picture until then.

Drawing costs most of a simulated step. A camera at the robot's control rate or above is drawn when
somebody looks and no earlier; a slower one takes its pictures at its own moments, whoever looks,
so that what a policy sees does not depend on who else is watching.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from robot_policies.interface import RobotSpec
from robot_policies.interface.clouds import back_projection, pad
from robot_policies.interface.frames import matrix, quaternion
from robot_policies.interface.observation import DEPTH, IMAGES, LABELS, POINTS
from robot_policies.interface.robot_parts import Camera

SLACK = 1e-9  # of a period; a moment is a sum of servo steps


@dataclass(frozen=True, eq=False)
class Picture:
    """What a camera saw; arrays are aligned pixel by pixel.

    Attributes:
        color: Shape (height, width, 3), uint8 RGB.
        depth: Distance along the optical axis, 0 where there is nothing; `None` if the camera
            measures none. Shape (height, width), float32. [m]
        labels: Class of what is seen, a number of `World.classes`; `None` if the camera gives
            none. Shape (height, width), uint8.
        cloud: Cloud that was made of it; `None` if none was. Shape (points, 4).
    """

    color: np.ndarray
    depth: np.ndarray | None = None
    labels: np.ndarray | None = None
    cloud: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Freeze the arrays: everybody who reads until the next picture shares them."""
        for field in fields(self):
            array = getattr(self, field.name)
            if array is not None:
                array.setflags(write=False)

    def streams(self, camera: str) -> dict[str, np.ndarray]:
        """Return the arrays by feature name."""
        arrays = {
            f"{IMAGES}.{camera}": self.color,
            f"{DEPTH}.{camera}": self.depth,
            f"{LABELS}.{camera}": self.labels,
            POINTS: self.cloud,
        }
        return {name: array for name, array in arrays.items() if array is not None}

    def points(self, camera: Camera, mounted: np.ndarray, frame: np.ndarray, most: int) -> Self:
        """Return the picture with a cloud of what is labelled, evenly spread over its pixels.

        Args:
            camera: What took it.
            mounted: Pose of the camera's link, position and quaternion x, y, z, w. Shape (7,).
            frame: Pose of the link whose frame the points are to be in. Shape (7,).
            most: Points there are in the cloud, padding included.
        """
        assert self.depth is not None
        assert self.labels is not None
        seen = back_projection(self.depth, self.labels, camera.focal_length, most)
        turn = matrix(mounted[3:])
        eye = mounted[:3] + turn @ camera.position
        world = eye + seen[:, :3] @ (turn @ matrix(quaternion(camera.rotation))).T
        xyz = (world - frame[:3]) @ matrix(frame[3:])
        return replace(self, cloud=pad(np.column_stack([xyz, seen[:, 3]]), most))


class Cameras:
    """All cameras of one robot, with the last picture of each."""

    def __init__(self, robot: RobotSpec, look: Callable[[Camera], Picture]) -> None:
        """Take no picture yet.

        Args:
            robot: The robot.
            look: Draws what a camera sees now.
        """
        self._cameras, self._look = robot.cameras, look
        self._slow = [camera for camera in robot.cameras if camera.rate < robot.control_rate]
        self.restart()

    def restart(self) -> None:
        """Forget all pictures; an episode starts at time 0."""
        self._seen: dict[str, tuple[Picture, float]] = {}

    def is_due(self, now: float) -> bool:
        """Return whether a camera takes a picture at this moment [s], even if nobody looks."""
        return any(self._is_due(camera, now) for camera in self._slow)

    def expose(self, now: float) -> None:
        """Draw the cameras that take a picture at this moment [s], even if nobody looks."""
        self._draw(self._slow, now)

    def read(self, now: float) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Return the newest pictures by feature name, and when each was taken [s].

        Args:
            now: Time since the start of the episode. [s]
        """
        self._draw(self._cameras, now)
        features, stamps = {}, {}
        for camera, (picture, stamp) in self._seen.items():
            streams = picture.streams(camera)
            features |= streams
            stamps |= dict.fromkeys(streams, stamp)
        return features, stamps

    def _draw(self, cameras: list[Camera] | tuple[Camera, ...], now: float) -> None:
        for camera in cameras:
            if self._is_due(camera, now):
                self._seen[camera.name] = self._look(camera), now

    def _is_due(self, camera: Camera, now: float) -> bool:
        if camera.name not in self._seen:
            return True
        before = self._seen[camera.name][1]
        return _frame(camera, now) > _frame(camera, before)


def _frame(camera: Camera, moment: float) -> int:
    """Return how many pictures a camera has begun by a moment [s]: floor(moment * rate)."""
    return int(np.floor(moment * camera.rate + SLACK))
