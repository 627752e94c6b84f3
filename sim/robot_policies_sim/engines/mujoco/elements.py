"""Numbers and poses as MuJoCo's XML has them."""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

import numpy as np

from robot_policies.interface.frames import quaternion

XYZW = [1, 2, 3, 0]  # MuJoCo's quaternions are w, x, y, z
WXYZ = [3, 0, 1, 2]


def pose(element: ET.Element, position: np.ndarray, rotation: np.ndarray) -> None:
    """Set where an element is.

    Args:
        element: Changed in place.
        position: Shape (3,). [m]
        rotation: Roll, pitch, yaw. Shape (3,). [rad]
    """
    element.set("pos", text(position))
    if np.any(rotation):
        element.set("quat", text(quaternion(rotation)[WXYZ]))


def text(values: Iterable[float]) -> str:
    """Return numbers with all their digits."""
    return " ".join(repr(float(value)) for value in values)
