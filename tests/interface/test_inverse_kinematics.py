import numpy as np
import pytest

from robot_policies.catalog import load_robot
from robot_policies.interface import ContractError
from robot_policies.interface.kinematics import Kinematics

SO101 = load_robot("so101")


def test_a_pose_that_some_joints_give_is_reached_from_others():
    kinematics = Kinematics(SO101, "tip")
    rotation, position = kinematics.pose(np.array([0.3, -0.2, 0.1, 1.2, 0.2, 0.5]))
    joints = kinematics.reach(SO101.default, rotation, position)
    there, at = kinematics.pose(joints)
    np.testing.assert_allclose(at, position, atol=1e-4)
    np.testing.assert_allclose(there, rotation, atol=2e-4)


def test_a_pose_out_of_reach_is_refused_with_what_is_missing():
    with pytest.raises(ContractError, match=r"so101: the pose at .* is not reached, \d\.\d+ m"):
        Kinematics(SO101, "tip").reach(SO101.default, np.eye(3), np.array([0.0, 0.0, 2.0]))
