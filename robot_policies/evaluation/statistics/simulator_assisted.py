"""A success rate on the robot from few trials there and many in the simulator.

The many trials give the simulator's rate, the pairs give how far the robot's lies from it. That is
the smaller interval where the simulator tells the robot's outcomes well, and the larger where it
does not: which one is reported is decided before the trials.

References:
    Angelopoulos et al., "Prediction-powered inference", Science 382, 2023 (the estimate).
    Zou and Donner, "Construction of confidence limits about effect measures", Statistics in
    Medicine 27, 2008 (an interval of a sum from those of its parts).
"""

from collections.abc import Sequence
from math import hypot

from robot_policies.evaluation.statistics.estimates import Estimate
from robot_policies.evaluation.statistics.pairs import newcombe
from robot_policies.evaluation.statistics.single import wilson


def rate_with_simulator(
    *, real: Sequence[bool], sim: Sequence[bool], more_sim: Sequence[bool]
) -> Estimate:
    """Return the rate on the robot with its interval.

    Args:
        real: Outcome of each trial on the robot.
        sim: Outcomes in the simulator, from the same initial states.
        more_sim: Outcomes in the simulator, from other initial states of the same kind.

    Raises:
        ValueError: If there are no pairs, or no more trials in the simulator.
    """
    if len(real) != len(sim) or not real or not more_sim:
        raise ValueError(
            f"needs pairs and more: {len(real)} real, {len(sim)} simulated, {len(more_sim)} more"
        )
    gap, gap_low, gap_high = newcombe(real, sim)
    successes, many = sum(map(bool, more_sim)), len(more_sim)
    low, high = wilson(successes, many)
    center = successes / many + gap
    below = hypot(successes / many - low, gap - gap_low)
    above = hypot(high - successes / many, gap_high - gap)
    return Estimate(center, max(0.0, center - below), min(1.0, center + above))
