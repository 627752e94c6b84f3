"""Pushes against a demonstration, so that who imitates it sees how an error is put right."""

import numpy as np

ROLL_NOISE = 7.0  # rad/m, of the wrist beside the tip's


def pulses(rng: np.random.Generator, noise: float, steps: int = 300) -> np.ndarray:
    """Draw smooth pushes of random size with pauses between them.

    A push is sin^2 over half a period, 10 to 18 steps long; it begins and ends at rest.

    Args:
        rng: Source of randomness.
        noise: Standard deviation of a push at its peak. [m]
        steps: Control steps.

    Returns:
        Displacement x, y, z [m] and roll [rad]. Shape (steps, 4).
    """
    pushes = np.zeros((steps, 4))
    begin = int(rng.integers(3, 12))
    while begin < steps:
        length = int(rng.integers(10, 19))
        bump = np.sin(np.linspace(0.0, np.pi, length + 2)[1:-1]) ** 2
        size = noise * np.clip(rng.normal(size=4), -2.0, 2.0) * [1.0, 1.0, 1.0, ROLL_NOISE]
        pushes[begin : begin + length] = (bump[:, None] * size)[: steps - begin]
        begin += length + int(rng.integers(4, 16))
    return pushes
