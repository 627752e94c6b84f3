"""Pictures of a real camera, cut and shrunk where a policy was trained with smaller ones."""

from dataclasses import dataclass

import cv2
import numpy as np

from robot_policies.interface import ConfigError


@dataclass(frozen=True)
class PictureSize:
    """What is given of a camera's pictures.

    Attributes:
        width: [px]
        height: [px]
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse what is no size."""
        for name in ("width", "height"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name} = {value!r} is no number of pixels")


def check_shrinks(width: int, height: int, size: PictureSize, where: str) -> None:
    """Refuse a camera whose pictures would have to be enlarged.

    Raises:
        ConfigError: Naming both sizes.
    """
    if width < size.width or height < size.height:
        raise ConfigError(
            f"{where}: {size.width}x{size.height} is larger than the camera's {width}x{height}; "
            "pictures are not enlarged"
        )


def shrink(picture: np.ndarray, size: PictureSize) -> np.ndarray:
    """Cut the largest middle part of the wanted proportions out, and average it down.

    Args:
        picture: At least as large as wanted. Shape (h, w, 3), uint8.
        size: The wanted one.

    Returns:
        Shape (size.height, size.width, 3), uint8; the picture itself if it fits.
    """
    tall, wide = picture.shape[:2]
    if (tall, wide) == (size.height, size.width):
        return picture
    scale = min(tall / size.height, wide / size.width)
    rows, columns = round(size.height * scale), round(size.width * scale)
    top, left = (tall - rows) // 2, (wide - columns) // 2
    middle = picture[top : top + rows, left : left + columns]
    return cv2.resize(middle, (size.width, size.height), interpolation=cv2.INTER_AREA)
