"""Inverse kinematics of the arm, held against the safety gate's forward kinematics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_policies.catalog import load_robot
from robot_policies.interface import ContractError
from robot_policies.interface.kinematics import Kinematics
from robot_policies_sim.worlds.tabletop.reach import SPARE, Reach

SO101 = load_robot("so101")
REACH, TIP = Reach(SO101), Kinematics(SO101, "tip")


@given(
    far=st.floats(0.14, 0.28),
    side=st.floats(-1.2, 1.2),
    height=st.floats(0.015, 0.15),
    roll=st.floats(-1.5, 1.5),
)
def test_the_tip_is_where_it_was_asked_to_be(far, side, height, roll):
    asked = np.array([far * np.cos(side), far * np.sin(side), height])
    joints = REACH.joints(asked, roll)
    _, position = TIP.pose(np.append(joints, 0.5))
    np.testing.assert_allclose(position, asked, atol=1e-7)  # the table rounds a right angle
    assert (SO101.lower[:5] <= joints).all()
    assert (joints <= SO101.upper[:5]).all()


@pytest.mark.parametrize("far", [0.14, 0.2, 0.26])
def test_jaws_point_straight_down_where_cubes_are_grasped(far):
    turn, _ = TIP.pose(np.append(REACH.joints(np.array([far, 0.0, 0.018]), 0.4), 0.5))
    np.testing.assert_allclose(turn[:, 2], [0.0, 0.0, -1.0], atol=1e-6)


def test_where_the_wrist_ends_the_way_stays_smooth():
    heights = np.arange(0.02, 0.14, 0.001)
    way = np.array([REACH.joints(np.array([0.23, 0.0, height]), 0.0) for height in heights])
    assert np.abs(np.diff(way, axis=0)).max() < 0.03
    assert way[-1, 3] == SO101.upper[3] - SPARE


@pytest.mark.parametrize("asked", [[0.5, 0.0, 0.1], [0.0, 0.0, 0.2], [np.nan, 0.0, 0.1]])
def test_what_is_out_of_reach_is_refused(asked):
    with pytest.raises(ContractError, match="out of reach"):
        REACH.joints(np.array(asked), 0.0)
