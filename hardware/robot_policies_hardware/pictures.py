"""Pictures of a real camera, at the size the robot's table gives them."""

import cv2
import numpy as np

from robot_policies.interface import ConfigError
from robot_policies.interface.robot_parts import Camera


def check_shrinks(width: int, height: int, camera: Camera, where: str) -> None:
    """Refuse a camera whose pictures would have to be enlarged.

    Raises:
        ConfigError: Naming the least size.
    """
    if width < camera.width or height < camera.height:
        raise ConfigError(
            f"{where}: {width}x{height} is smaller than the {camera.width}x{camera.height} of the "
            f"robot's table. Write 'width: {camera.width}, height: {camera.height}' or more"
        )


def shrink(picture: np.ndarray, camera: Camera) -> np.ndarray:
    """Cut the largest middle part of the table's proportions out, and average it down.

    Args:
        picture: At least as large as the table's. Shape (h, w, 3), uint8.
        camera: The table's.

    Returns:
        Shape (camera.height, camera.width, 3), uint8; the picture itself if it fits.
    """
    tall, wide = picture.shape[:2]
    if (tall, wide) == (camera.height, camera.width):
        return picture
    scale = min(tall / camera.height, wide / camera.width)
    rows, columns = round(camera.height * scale), round(camera.width * scale)
    top, left = (tall - rows) // 2, (wide - columns) // 2
    middle = picture[top : top + rows, left : left + columns]
    return cv2.resize(middle, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
