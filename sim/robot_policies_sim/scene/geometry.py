"""Distances in a scene."""

import numpy as np


def distance_from_way(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> float:
    """Return the distance of a point p from the straight way between a start a and an end b.

    The nearest point of the way is a + t (b - a), t = (p - a) (b - a) / |b - a|^2 cut to [0, 1].

    Args:
        start: Shape (n,). [m]
        end: Shape (n,). [m]
        point: Shape (n,). [m]

    Returns:
        [m]
    """
    way = end - start
    share = np.clip((point - start) @ way / max(way @ way, 1e-9), 0.0, 1.0)
    return float(np.linalg.norm(start + share * way - point))
