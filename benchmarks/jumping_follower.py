"""A robot of LeRobot's that obeys at once and keeps a log; its joints jump when they are measured.

`serving_sides.py` puts it where LeRobot looks for plug-ins. A line of the log is `jump`, `seen` or
`sent`, the machine's steady time [s], and the first joint [deg].
"""

import time
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from lerobot.cameras import CameraConfig
from lerobot.robots import Robot, RobotConfig

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
CAMERAS = ("front", "side")
SIZE = (480, 640, 3)  # px
STEP = 6.0  # deg; less than a servo of the SO-101 turns in a control period
SETTLED, APART, SPREAD = 5.0, 0.9, 0.2  # s: until the first jump, and between two


@RobotConfig.register_subclass("jumping_follower")
@dataclass
class JumpingFollowerConfig(RobotConfig):
    """Where its log is, and cameras for whoever asks for their sizes; none is opened."""

    log: str = "log"
    cameras: dict[str, CameraConfig] = field(default_factory=dict)


class JumpingFollower(Robot):
    """The robot."""

    config_class = JumpingFollowerConfig
    name = "jumping_follower"

    def __init__(self, config: JumpingFollowerConfig) -> None:
        super().__init__(config)
        self._rng, self._log = np.random.default_rng(1), config.log
        self._pictures = [self._rng.integers(0, 255, SIZE, dtype=np.uint8) for _ in CAMERAS]
        self._connected, self._level = False, 0.0

    @cached_property
    def observation_features(self) -> dict:
        """Joints and pictures."""
        return {**self.action_features, **dict.fromkeys(CAMERAS, SIZE)}

    @cached_property
    def action_features(self) -> dict:
        """Joints."""
        return {f"{joint}.pos": float for joint in JOINTS}

    @property
    def is_connected(self) -> bool:
        """Whether there is a log."""
        return self._connected

    @property
    def is_calibrated(self) -> bool:
        """It needs none."""
        return True

    def connect(self, calibrate: bool = True) -> None:
        """Begin the log."""
        self._file = open(self._log, "a", buffering=1)  # noqa: SIM115  # until it disconnects
        self._connected, self._next = True, time.monotonic() + SETTLED

    def calibrate(self) -> None:
        """It needs none."""

    def configure(self) -> None:
        """There is nothing to configure."""

    def get_observation(self) -> dict:
        """Return the joints, which may have jumped, and the pictures."""
        now = time.monotonic()
        if now >= self._next:
            self._level = STEP - self._level
            self._next = now + APART + self._rng.uniform(0.0, SPREAD)
            self._note("jump", now, self._level)
        self._note("seen", now, self._level)
        joints = dict.fromkeys(self.action_features, self._level) | {"gripper.pos": 30.0}
        copies = (picture.copy() for picture in self._pictures)
        return {**joints, **dict(zip(CAMERAS, copies, strict=True))}

    def send_action(self, action: dict) -> dict:
        """Note when it came."""
        self._note("sent", time.monotonic(), float(action["shoulder_pan.pos"]))
        return action

    def disconnect(self) -> None:
        """End the log."""
        self._connected = False
        self._file.close()

    def _note(self, what: str, now: float, value: float) -> None:
        self._file.write(f"{what} {now:.6f} {value:.4f}\n")
