"""Intervals and tests, so that a difference is a finding and not a number."""

from robot_policies.evaluation.statistics.estimates import Difference, Estimate
from robot_policies.evaluation.statistics.pairs import compare_means, compare_success
from robot_policies.evaluation.statistics.single import clopper_pearson, mean, rate

__all__ = [
    "Difference",
    "Estimate",
    "clopper_pearson",
    "compare_means",
    "compare_success",
    "mean",
    "rate",
]
