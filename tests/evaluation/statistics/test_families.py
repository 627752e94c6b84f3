"""Many comparisons at once."""

from itertools import combinations

import numpy as np
import pytest

from robot_policies.evaluation.statistics.families import holm, letters


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03 times 3, 2, 1, and never below the one before.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]) == []
    assert holm([0.2]) == [0.2]


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ([], {"x": "a", "y": "a", "z": "a"}),
        ([("x", "z")], {"x": "a", "y": "ab", "z": "b"}),
        ([("x", "y"), ("x", "z")], {"x": "a", "y": "b", "z": "b"}),
        ([("x", "y"), ("z", "x"), ("y", "z")], {"x": "a", "y": "b", "z": "c"}),
    ],
)
def test_letters_by_hand(different, expected):
    assert letters(["x", "y", "z"], different) == expected


def test_two_share_a_letter_exactly_if_they_are_not_known_to_differ():
    names = list("pqrstu")
    pairs = list(combinations(names, 2))
    rng = np.random.default_rng(0)
    for _ in range(200):
        different = [pair for pair in pairs if rng.random() < 0.4]
        found = letters(names, different)
        for one, other in pairs:
            assert ((one, other) in different) != bool({*found[one]} & {*found[other]})
