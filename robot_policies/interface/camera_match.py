"""Whether cameras give the pictures that a policy needs, and what to do where they do not."""

from collections.abc import Iterator, Mapping

from robot_policies.interface.findings import Finding
from robot_policies.interface.observation import (
    DEPTH,
    IMAGES,
    LABELS,
    MAX_AGE,
    POINTS,
    ObservationSpec,
)
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.spec import ArraySpec


def audit_rates(spec: ObservationSpec, robot: RobotSpec) -> Iterator[Finding]:
    """Warn of cameras that are slower than what they give becomes too old.

    Args:
        spec: What a policy needs.
        robot: Its robot.
    """
    cloud = robot.cloud
    for camera in robot.cameras:
        period = 1.0 / camera.rate
        given = {f"{kind}.{camera.name}" for kind in (IMAGES, DEPTH, LABELS)}
        if cloud and cloud.camera == camera.name:
            given.add(POINTS)
        for name in spec:
            oldest = spec.max_age.get(name, MAX_AGE)
            if name in given and period > oldest:
                text = f"{name}: one every {period:.3g} s; the policy takes none older than "
                text += f"{oldest:g} s and waits in between"
                yield Finding("warning", "picture_rate", text)


def exchanged(name: str, needs: Mapping[str, ArraySpec], gives: Mapping[str, ArraySpec]) -> str:
    """Return the camera that gives the size which is needed of one, and is needed in its size.

    Args:
        name: The picture that is needed.
        needs: All that a policy needs.
        gives: All that the robot gives.

    Returns:
        The other picture's name; empty if there is none.
    """
    if not name.startswith(IMAGES) or needs[name].shape == gives[name].shape:
        return ""
    for other in sorted(needs.keys() & gives.keys()):
        crossed = gives[other].shape, gives[name].shape
        if other.startswith(IMAGES) and (needs[name].shape, needs[other].shape) == crossed:
            return other
    return ""


def resized(camera: str, needed: ArraySpec, provided: ArraySpec) -> str:
    """Return what to write so that a camera gives pictures of the needed size.

    Args:
        camera: Its name.
        needed: The picture that is needed.
        provided: The one that it gives.
    """
    (height, width), (tall, wide) = needed.shape[:2], provided.shape[:2]
    smaller = (height or 0) <= (tall or 0) and (width or 0) <= (wide or 0)
    size = f"{{width: {width}, height: {height}}}"
    real = f"pictures: {{{camera}: {size}}}" if smaller else f"cameras: {{{camera}: {size}}}"
    return f"Backend lerobot takes '{real}'; others have the size in the robot's table"
