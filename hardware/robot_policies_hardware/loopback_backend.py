"""A robot that is not there: the command becomes the state.

It stands in for hardware wherever the path to the robot is to be tried and the physics is not:
launch tests, bring-up of a new policy, latency measurements. What its sensors show is made up
and says so: cameras give the magenta and black chequers of a missing texture, no depth,
and a cloud of one point at the origin.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from robot_policies.interface import (
    ActionKind,
    ArraySpec,
    BackendError,
    Command,
    CommandMode,
    RobotSpec,
    RobotState,
    check_command,
)
from robot_policies.interface.clouds import is_cloud, pad
from robot_policies.interface.gravity import GRAVITY
from robot_policies.interface.observation import IMAGES, IMU, WRENCH, is_picture

LEVEL_AND_AT_REST = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, GRAVITY])
CHEQUER = 16  # px
RESOLUTION = 1e-6  # s; what a float holds of the seconds since 1970, rounded up


class LoopbackBackend:
    """Joints that go where they are told within one control period, at constant speed."""

    accepts = frozenset({ActionKind.JOINT_POSITION, ActionKind.JOINT_VELOCITY})

    def __init__(
        self,
        spec: RobotSpec,
        scene: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Stand in the default pose.

        Args:
            spec: The robot to pretend to be.
            scene: The task's world; there is nothing to put it in.
            clock: Gives the stamps. [s]
        """
        self.spec = spec
        self.provides = spec.streams
        self._clock = clock
        self._connected = False
        self._since = 0.0
        self._start = self._end = spec.default
        self._speed = np.zeros_like(spec.default)
        self._moves_for = 0.0
        self._pictures = {
            feature: _made_up(stream)
            for feature, stream in spec.streams.items()
            if is_picture(feature)
        }

    def connect(self) -> None:
        """Start the clock."""
        self._since = self._clock()
        self._connected = True

    def read(self, pictures: bool = True) -> RobotState:
        """Return where the joints are now, and made-up sensor readings."""
        now = self._now("read")
        features = dict(self._pictures) if pictures else {}
        if self.spec.imu_link:
            features[IMU] = LEVEL_AND_AT_REST.copy()
        if self.spec.wrench_link:
            features[WRENCH] = np.zeros(6)
        position, velocity = self._motion(now)
        return RobotState(
            stamp=now,
            joint_position=position,
            joint_velocity=velocity,
            features=features,
            stamps=dict.fromkeys(features, now),
        )

    def write(self, command: Command) -> Command:
        """Move towards the command.

        Raises:
            BackendError: If it is none a joint may get.
        """
        now = self._now("write")
        check_command(command, self.spec, self.accepts, "loopback")
        self._rest(now)
        if command.mode is CommandMode.DAMP:
            return command
        period, values = 1.0 / self.spec.control_rate, np.array(command.values, dtype=np.float64)
        if command.kind is ActionKind.JOINT_POSITION:
            self._end = values
            self._speed, self._moves_for = (values - self._start) / period, period
        else:
            self._speed, self._moves_for = values, np.inf
        return command

    def stop(self, reason: str) -> None:
        """Stay where the joints are."""
        if self._connected:
            self._rest(self._clock())

    def close(self) -> None:
        """Stop."""
        self.stop("closed")
        self._connected = False

    def _now(self, verb: str) -> float:
        if not self._connected:
            raise BackendError(f"loopback: {verb} before connect")
        return self._clock()

    def _rest(self, now: float) -> None:
        self._start, _ = self._motion(now)
        self._end, self._since, self._moves_for = self._start, now, 0.0

    def _motion(self, now: float) -> tuple[np.ndarray, np.ndarray]:
        """Return where a command leads by now: q + v t in the joints' range, at rest at its ends.

        Both have shape (n_joints,), in [rad] and [rad/s].
        """
        elapsed = max(now - self._since, 0.0)
        if elapsed >= self._moves_for - RESOLUTION:
            return self._end.copy(), np.zeros_like(self._end)
        free = self._start + self._speed * elapsed
        position = np.clip(free, self.spec.lower, self.spec.upper)
        return position, np.where(position == free, self._speed, 0.0)


def _made_up(stream: ArraySpec) -> np.ndarray:
    if is_cloud(stream):
        assert stream.shape[0] is not None
        return pad(np.zeros((1, 4)), stream.shape[0])
    height, width = stream.shape[:2]
    assert height is not None
    assert width is not None
    if stream.name.startswith(f"{IMAGES}."):
        return chequers(height, width)
    nothing = np.zeros((height, width), stream.dtype)
    nothing.setflags(write=False)
    return nothing


def chequers(height: int, width: int) -> np.ndarray:
    """Return the picture that says "no camera here". Shape (height, width, 3), uint8 RGB."""
    rows, columns = np.arange(height)[:, None], np.arange(width)
    lit = (rows // CHEQUER + columns // CHEQUER) % 2 == 0
    picture = np.zeros((height, width, 3), np.uint8)
    picture[lit] = (255, 0, 255)
    picture.setflags(write=False)
    return picture
