"""Pictures of a scene in PyBullet."""

import numpy as np

from robot_policies_sim.engines.pybullet.quiet_import import pybullet
from robot_policies_sim.scene.world import AMBIENT, HEADLIGHT, LAMP, LAMP_DIRECTION

NEAR, FAR = 0.01, 20.0  # m, of what is drawn
NOTHING = 0.999  # share of the farthest from which on there is nothing


def draw(
    client: int,
    eye: np.ndarray,
    target: np.ndarray,
    up: np.ndarray,
    width: int,
    height: int,
    focal_length: float,
    bodies: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what a pinhole camera sees, without shadows.

    OpenGL's depth buffer b holds distances z as b = far (z - near) / (z (far - near)).

    Args:
        client: Physics server.
        eye: Camera centre. Shape (3,). [m]
        target: A point on its optical axis. Shape (3,). [m]
        up: Direction of the image's upper edge. Shape (3,).
        width: Image width. [px]
        height: Image height. [px]
        focal_length: Of square pixels. [px]
        bodies: Whether to say which body is seen.

    Returns:
        Image, shape (height, width, 3), uint8 RGB. Distance along the optical axis, 0 where there
        is nothing, shape (height, width), float32 [m]. Body number, -1 where there is none or
        nobody asked, shape (height, width).
    """
    # It looks through the lower left corner of a pixel where others look through the centre.
    pixel = NEAR / focal_length
    left, right = pixel * (0.5 - width / 2), pixel * (0.5 + width / 2)
    bottom, top = pixel * (0.5 - height / 2), pixel * (0.5 + height / 2)
    # There is one lamp; a face that meets two has the light of their sum.
    lamps = HEADLIGHT * _unit(eye - target) - LAMP * _unit(np.array(LAMP_DIRECTION))
    _, _, pixels, buffer, seen = pybullet.getCameraImage(
        width,
        height,
        pybullet.computeViewMatrix(list(eye), list(target), list(up)),
        pybullet.computeProjectionMatrix(left, right, bottom, top, NEAR, FAR),
        lightDirection=list(lamps),
        lightAmbientCoeff=AMBIENT,
        lightDiffuseCoeff=float(np.linalg.norm(lamps)),
        lightSpecularCoeff=0.0,
        shadow=0,
        renderer=pybullet.ER_TINY_RENDERER,
        flags=0 if bodies else pybullet.ER_NO_SEGMENTATION_MASK,
        physicsClientId=client,
    )
    image = np.reshape(pixels, (height, width, 4))[..., :3]
    depth = FAR * NEAR / (FAR - (FAR - NEAR) * np.reshape(buffer, (height, width)).astype(float))
    depth[depth > NOTHING * FAR] = 0.0
    body = np.reshape(seen, (height, width)) if bodies else np.full((height, width), -1)
    return np.ascontiguousarray(image, dtype=np.uint8), depth.astype(np.float32), body


def _unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector of length 1 in the same direction."""
    return vector / np.linalg.norm(vector)
