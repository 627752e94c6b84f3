"""Where a recording cannot be one motion: two rows that no robot can have had one after the other.

Real logs begin with a row that is left over from before, such as the fall that ended the last
walk: tilted by 1.6 to 2.8 rad, and upright 20 ms later.
"""

import numpy as np

TURN_RATE = 35.0  # rad/s; 2000 deg/s, the range of the gyroscopes robots carry
JOINT_SPEED = 2.0  # of the fastest a joint moves by itself; a blow or a fall may be faster


def breaks(
    rate: float,
    position: np.ndarray,
    velocity_limit: np.ndarray,
    orientation: np.ndarray | None = None,
) -> np.ndarray:
    """Return the rows that cannot follow the row before them.

    The heading is not judged: it is not measured, and trackers correct theirs in jumps.

    Args:
        rate: Rows per second. [1/s]
        position: Joint positions. Shape (rows, n). [rad], [m]
        velocity_limit: Of each joint. Shape (n,). [rad/s], [m/s]
        orientation: Of the base, x, y, z, w. Shape (rows, 4).

    Returns:
        Row numbers, rising. Shape (breaks,).
    """
    impossible = (abs(np.diff(position, axis=0)) * rate > JOINT_SPEED * velocity_limit).any(1)
    if orientation is not None:
        up = _up(orientation)
        turn = np.arccos(np.clip((up[1:] * up[:-1]).sum(1), -1.0, 1.0))
        impossible |= turn * rate > TURN_RATE
    return np.flatnonzero(impossible) + 1


def longest_stretch(rows: int, at: np.ndarray) -> range:
    """Return the longest run of rows without a break; the first of equally long ones.

    Args:
        rows: How many there are.
        at: As of `breaks`.
    """
    edges = np.concatenate(([0], at, [rows]))
    longest = int(np.argmax(np.diff(edges)))
    return range(int(edges[longest]), int(edges[longest + 1]))


def _up(orientation: np.ndarray) -> np.ndarray:
    """Return the vertical in the body frame. Shape (rows, 4) -> (rows, 3)."""
    x, y, z, w = np.moveaxis(orientation, -1, 0)
    up = np.stack((2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z), -1)
    return up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-9)
