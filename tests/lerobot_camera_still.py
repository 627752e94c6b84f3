"""A LeRobot camera plugin that shows one grey picture, for processes that drive a fake bus."""

import time
from dataclasses import dataclass

import numpy as np
from lerobot.cameras import Camera, CameraConfig


@CameraConfig.register_subclass("still")
@dataclass(kw_only=True)
class StillCameraConfig(CameraConfig):
    pass


class StillCamera(Camera):
    is_connected = False

    def __init__(self, config: StillCameraConfig) -> None:
        super().__init__(config)
        self.picture = np.full((config.height, config.width, 3), 128, np.uint8)

    @staticmethod
    def find_cameras() -> list:
        return []

    def connect(self, warmup: bool = True) -> None:
        self.is_connected = True

    def read(self) -> np.ndarray:
        self.latest_timestamp = time.perf_counter()
        return self.picture

    def async_read(self, timeout_ms: float = 0.0) -> np.ndarray:
        return self.read()

    def read_latest(self, max_age_ms: int = 500) -> np.ndarray:
        return self.read()

    def disconnect(self) -> None:
        self.is_connected = False
