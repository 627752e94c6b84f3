"""An emulated joint trajectory controller, without ROS."""

import math

import pytest

from robot_policies_hardware.emulators.motion import Motion
from robot_policies_hardware.emulators.trajectory import JointController, Tolerances

JOINTS = {"a": 0.0, "b": 1.0}


def test_between_two_points_positions_are_linear_in_time():
    joints = JointController(JOINTS)
    assert joints.accept(["b", "a"], [1.0, 3.0], [[2.0, 0.0], [2.0, 4.0]])
    joints.advance(0.5)
    assert joints.position == {"a": 0.0, "b": pytest.approx(1.5)}
    joints.advance(1.5)
    assert joints.position == {"a": pytest.approx(2.0), "b": 2.0}
    joints.advance(60.0)
    assert joints.position == {"a": 4.0, "b": 2.0}


def test_a_new_trajectory_begins_where_the_joints_are():
    joints = JointController(JOINTS)
    joints.accept(["a"], [2.0], [[2.0]])
    joints.advance(1.0)
    joints.accept(["a"], [1.0], [[0.0]])
    joints.advance(0.5)
    assert joints.position == {"a": pytest.approx(0.5), "b": 1.0}


@pytest.mark.parametrize(
    ("names", "times", "positions", "reason"),
    [
        ([], [1.0], [[]], "joints"),
        (["a", "a"], [1.0], [[0.0, 0.0]], "joints"),
        (["a", "elbow"], [1.0], [[0.0, 0.0]], "elbow"),
        (["a"], [], [], "times"),
        (["a"], [0.0], [[0.0]], "times"),
        (["a"], [2.0, 1.0], [[0.0], [0.0]], "times"),
        (["a", "b"], [1.0], [[0.0]], "2 positions"),
        (["a"], [1.0], [[math.nan]], "no number"),
    ],
)
def test_what_is_no_trajectory_is_rejected_and_the_one_before_goes_on(
    names, times, positions, reason
):
    joints = JointController(JOINTS)
    joints.accept(["a"], [1.0], [[1.0]])
    assert not joints.accept(names, times, positions)
    assert reason in joints.rejected[0]
    joints.advance(1.0)
    assert joints.position["a"] == 1.0


def test_a_joint_that_cannot_keep_up_ends_its_trajectory_and_stays():
    slow = Motion(fastest=0.5, gain=20.0, response=0.02)
    joints = JointController(JOINTS, slow, Tolerances(path=0.2))
    joints.accept(["a"], [1.0], [[2.0]])
    for _ in range(100):
        joints.advance(0.01)
    assert joints.aborted[0].startswith("a lags 0.2")
    assert 0.0 < joints.position["a"] < 0.2
    rest = joints.position["a"]
    joints.advance(1.0)
    assert joints.position["a"] == pytest.approx(rest, abs=0.02)
    assert len(joints.aborted) == 1


def test_a_joint_that_keeps_up_reaches_its_goal():
    joints = JointController(JOINTS, Motion(3.0, 20.0, 0.01), Tolerances(path=0.2))
    joints.accept(["a"], [2.0], [[1.0]])
    for _ in range(300):
        joints.advance(0.01)
    assert joints.position["a"] == pytest.approx(1.0, abs=1e-3)
    assert not joints.aborted


def test_a_joint_that_is_not_at_its_goal_in_time_ends_its_trajectory():
    slow, allowed = Motion(0.5, 20.0, 0.02), Tolerances(goal=0.05, goal_time=0.5)
    joints = JointController(JOINTS, slow, allowed)
    joints.accept(["a"], [0.5], [[1.0]])
    for _ in range(99):
        joints.advance(0.01)
    assert not joints.aborted
    for _ in range(10):
        joints.advance(0.01)
    assert len(joints.aborted) == 1
    assert joints.aborted[0].startswith("a is 0.5")
    assert "0.5 s after its time, 0.05 are tolerated" in joints.aborted[0]
    patient = JointController(JOINTS, slow, Tolerances(goal=0.05))
    patient.accept(["a"], [0.5], [[1.0]])
    patient.advance(10.0)
    assert patient.position["a"] == pytest.approx(1.0, abs=0.01)
    assert not patient.aborted
