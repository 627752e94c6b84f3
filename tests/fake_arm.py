"""A LeRobot robot without motors; LeRobot finds the class by its module's name."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from lerobot.robots import Robot, RobotConfig
from toy_robot import toy_robot

from robot_policies_hardware.lerobot_backend import LerobotBackend


@RobotConfig.register_subclass("fake_arm")
@dataclass
class FakeArmConfig(RobotConfig):
    port: str = ""
    cameras: dict = field(default_factory=dict)


class FakeArm(Robot):
    """Two motors and a gripper, in another order than the robot's table."""

    config_class = FakeArmConfig
    name = "fake_arm"

    def __init__(self, config: FakeArmConfig) -> None:
        super().__init__(config)
        self.present = {"gripper.pos": 40.0, "elbow.pos": 10.0, "shoulder.pos": -20.0}
        self.sent: list[dict[str, float]] = []
        self.connected = False
        self.broken = False
        self.picture = np.zeros((8, 10, 3), np.uint8)
        self.cameras = {"front": SimpleNamespace(latest_timestamp=None)} if config.cameras else {}

    @property
    def observation_features(self) -> dict:
        return dict.fromkeys(self.present, float) | {name: (8, 10, 3) for name in self.cameras}

    @property
    def action_features(self) -> dict:
        return dict.fromkeys(self.present, float)

    @property
    def is_connected(self) -> bool:
        return self.connected

    @property
    def is_calibrated(self) -> bool:
        if not self.connected:
            raise ConnectionError("not connected")
        return self.calibration_fpath.is_file() and self.id != "foreign"

    def connect(self, calibrate: bool = True) -> None:
        assert not calibrate, "calibrating asks questions"
        self.connected = True

    def calibrate(self) -> None:
        raise AssertionError("calibrating asks questions")

    def configure(self) -> None:
        pass

    def get_observation(self) -> dict:
        if self.broken:
            raise ConnectionError("\nno answer\nfrom the bus")
        return self.present | dict.fromkeys(self.cameras, self.picture)

    def send_action(self, action: dict[str, float]) -> dict[str, float]:
        limited = {name: min(value, 45.0) for name, value in action.items()}
        self.sent.append(limited)
        return limited

    def disconnect(self) -> None:
        self.connected = False


GRIPPER = {"lower": -0.2, "upper": 1.8}  # rad; 100 % is 2 rad


def fake(folder: Path, id: str = "one", calibrated: bool = True, **options) -> LerobotBackend:
    if calibrated:
        (folder / f"{id}.json").write_text("{}")
    spec = toy_robot({"shoulder": {}, "elbow": {}, "gripper": GRIPPER})
    return LerobotBackend(
        spec,
        type="fake_arm",
        id=id,
        calibration_dir=str(folder),
        units={"gripper": "%"},
        **options,
    )
