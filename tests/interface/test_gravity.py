"""A fall is the same for trials, training and logs, and a robot that is nowhere has fallen."""

import mujoco
import numpy as np
import pytest

from robot_policies.interface.gravity import GRAVITY, has_fallen

UPRIGHT, HIGH = -1.0, 0.3


@pytest.mark.parametrize(
    ("down", "height", "fallen"),
    [
        (UPRIGHT, HIGH, False),
        (UPRIGHT, np.inf, False),
        (-0.59, HIGH, True),
        (UPRIGHT, 0.15, True),
        (np.nan, HIGH, True),
        (UPRIGHT, np.nan, True),
    ],
)
def test_a_robot_that_lies_leans_or_is_no_number_has_fallen(down, height, fallen):
    assert bool(has_fallen(down, height)) is fallen
    assert has_fallen(np.array([down, UPRIGHT]), np.array([height, HIGH])).tolist() == [
        fallen,
        False,
    ]


def test_gravity_is_what_policies_were_trained_with():
    assert mujoco.MjOption().gravity.tolist() == [0.0, 0.0, -GRAVITY]
