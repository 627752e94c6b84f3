"""Clouds of points: x, y, z and a class, in a named frame, padded to a size known beforehand.

Sensors give as many points as they see. Networks and data sets take a fixed number, so that a
cloud is filled up with points of class -1, which stand for nothing.
"""

import numpy as np

from robot_policies.interface.errors import ContractError
from robot_policies.interface.observation import POINTS
from robot_policies.interface.spec import ArraySpec

NAMES = ("x", "y", "z", "class")
UNITS = ("m", "m", "m", "1")
PADDING = -1.0  # class of a point that stands for nothing
CLASSES = 255.0  # greatest class
REACH = 50.0  # m; no arm sees further: the numbers are millimetres
LEAST = 0.1  # share of a sensor's points that must be numbers


def cloud_spec(points: int, frame: str, reach: float = REACH, name: str = POINTS) -> ArraySpec:
    """Return the spec of a cloud. Shape (points, 4).

    Args:
        points: Most points there are.
        frame: Link whose frame they are in; empty where it is not known.
        reach: Greatest coordinate that can be right. [m]
        name: Feature name.
    """
    return ArraySpec(
        name,
        (points, len(NAMES)),
        unit=UNITS,
        names=NAMES,
        lower=np.array([-reach] * 3 + [PADDING]),
        upper=np.array([reach] * 3 + [CLASSES]),
        frame=frame,
    )


def is_cloud(spec: ArraySpec) -> bool:
    """Return whether a spec is one of a cloud."""
    return spec.names == NAMES


def check_clouds(needed: ArraySpec, provided: ArraySpec) -> None:
    """Refuse a robot whose clouds a policy cannot take.

    Raises:
        ContractError: If they are none, in another frame, or of more points.
    """
    name = needed.name
    if not is_cloud(provided):
        raise ContractError(
            f"{name}: the policy needs {NAMES}, the robot gives {provided.names or 'no names'}"
        )
    if needed.frame and provided.frame and needed.frame != provided.frame:
        raise ContractError(
            f"{name}: the policy needs points in frame '{needed.frame}', the robot gives them in "
            f"'{provided.frame}'"
        )
    most, given = needed.shape[0], provided.shape[0]
    if most is not None and given is not None and given > most:
        raise ContractError(
            f"{name}: the policy takes {most} points, the robot gives up to {given}"
        )


def present(cloud: np.ndarray) -> np.ndarray:
    """Return a cloud without its padding. Shape (n, 4)."""
    return cloud[cloud[:, 3] != PADDING]


def pad(cloud: np.ndarray, points: int) -> np.ndarray:
    """Return a cloud filled up to a number of points. Shape (points, 4), float32."""
    filled = np.zeros((points, len(NAMES)), np.float32)
    filled[:, 3] = PADDING
    filled[: len(cloud)] = cloud
    return filled


def fit_cloud(points: np.ndarray, spec: ArraySpec) -> tuple[np.ndarray, int]:
    """Return a cloud as a spec has it, and how many points were no numbers and left out.

    Args:
        points: As a sensor gave them, padded or not. Shape (n, 4).
        spec: Of the cloud that is wanted.

    Raises:
        ContractError: If there are none or too many, too few are numbers, or one is out of reach.
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != len(NAMES) or points.dtype.kind != "f":
        raise ContractError(
            f"{spec.name}: {points.dtype} of shape {points.shape}, expected floats of shape (n, 4)"
        )
    measured = np.isfinite(points).all(axis=1)
    dropped = int(len(points) - measured.sum())
    if not measured.any() or measured.sum() < LEAST * len(points):
        raise ContractError(
            f"{spec.name}: {measured.sum()} of {len(points)} points are numbers, "
            f"at least {max(1, round(LEAST * len(points)))} must be"
        )
    cloud = present(points[measured])
    if not len(cloud):
        raise ContractError(f"{spec.name}: no points, only padding")
    assert spec.upper is not None
    reach = float(spec.upper[0])
    beyond = np.abs(cloud[:, :3]) > reach
    if beyond.any():
        row, axis = (int(i) for i in np.argwhere(beyond)[0])
        raise ContractError(
            f"{spec.name}[{NAMES[axis]}] = {cloud[row, axis]:g} m is beyond {reach:g} m; "
            "are these millimetres?"
        )
    most = spec.shape[0]
    assert most is not None
    if len(cloud) > most:
        raise ContractError(f"{spec.name}: {len(cloud)} points, at most {most} are taken")
    return spec.validate(pad(cloud, most)), dropped
