"""A rate on the robot from few trials there and many in the simulator.

Where the simulator tells the robot's outcomes well, its many trials narrow the interval; where it
does not, they are left out. Its error is measured on the initial states that both have.

References:
    Angelopoulos, Duchi and Zrnic, "PPI++: Efficient prediction-powered inference", 2023.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from robot_policies.evaluation.statistics.estimates import CONFIDENCE, Estimate


def rate_with_simulator(
    *, real: Sequence[float], sim: Sequence[float], more_sim: Sequence[float]
) -> Estimate:
    """Return the rate on the robot with a normal interval.

    Args:
        real: Outcome of each trial on the robot; 0, 1 or partial credit between.
        sim: Outcomes in the simulator, from the same initial states.
        more_sim: Outcomes in the simulator, from other initial states of the same kind.

    Raises:
        ValueError: If the pairs are none, or there are fewer than two of each kind.
    """
    if len(real) != len(sim) or min(len(real), len(more_sim)) < 2:
        raise ValueError(
            f"needs pairs and at least 2 of each: {len(real)} real, {len(sim)} simulated, "
            f"{len(more_sim)} more"
        )
    y, f, g = (np.asarray(values, dtype=np.float64) for values in (real, sim, more_sim))
    n, more = len(y), len(g)
    spread = np.concatenate((f, g)).var(ddof=1)
    weight = 0.0
    if spread > 0.0:  # Example 6.1: the weight of least variance
        weight = float(np.clip(np.cov(y, f)[0, 1] / ((1.0 + n / more) * spread), 0.0, 1.0))
    center = float(y.mean() + weight * (g.mean() - f.mean()))
    variance = (y - weight * f).var(ddof=1) / n + weight**2 * g.var(ddof=1) / more
    from scipy.stats import t

    half = float(t.ppf(0.5 + CONFIDENCE / 2.0, n - 1)) * sqrt(variance)
    return Estimate(center, max(0.0, center - half), min(1.0, center + half))
