"""How far something is from a way: from its middle, or from its nearer end."""

import numpy as np
import pytest

from robot_policies_sim.scene.geometry import distance_from_way

START, END = np.array([0.0, 0.0]), np.array([2.0, 0.0])


@pytest.mark.parametrize(
    ("point", "distance"), [((1.0, 0.5), 0.5), ((-3.0, 4.0), 5.0), ((2.3, -0.4), 0.5)]
)
def test_the_nearest_point_lies_on_the_way(point, distance):
    assert distance_from_way(START, END, np.array(point)) == pytest.approx(distance)


def test_a_way_without_length_is_a_point():
    assert distance_from_way(END, END, START) == pytest.approx(2.0)
