import numpy as np
import pytest

from robot_policies_sim.scene.cloth import Cloth
from robot_policies_sim.worlds.dressing.person import (
    EDGES,
    REGIONS,
    SPLITS,
    Pose,
    arm_joints,
    arm_poses,
    region_poses,
)
from robot_policies_sim.worlds.dressing.progress import broken, dressed, self_intersections

# A bent arm in the plane: elbow at the origin, upper arm 0.28 m along x, forearm and hand along y.
ARM = np.array([[0.28, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.25, 0.0], [0.0, 0.35, 0.0]])
SLEEVE = Cloth("sleeve", 0.08, 0.2, 0.06, "gripper", (0.0, 0.0, 0.0), around=12, along=5)


def ring(middle: list[float], axis: int) -> np.ndarray:
    angle = 2.0 * np.pi * np.arange(12) / 12 + 0.1
    flat = np.zeros((12, 3))
    one, other = [i for i in range(3) if i != axis]
    flat[:, one], flat[:, other] = 0.08 * np.cos(angle), 0.08 * np.sin(angle)
    return flat + middle


@pytest.mark.parametrize(
    ("middle", "axis", "forearm", "upper"),
    [
        ([0.0, 0.40, 0.0], 1, 0.0, 0.0),  # before the fingertips
        ([0.0, 0.25, 0.01], 1, 0.10, 0.0),  # at the wrist
        ([0.0, 0.05, 0.0], 1, 0.30, 0.0),
        ([0.14, 0.01, 0.0], 0, 0.35, 0.14),  # half up the upper arm
        ([0.28 + 0.05, 0.0, 0.0], 0, 0.35, 0.28),  # past the shoulder
        ([0.0, 0.25, 0.2], 1, 0.0, 0.0),  # above the arm, not around it
    ],
)
def test_how_far_an_opening_is_up_the_arm(middle, axis, forearm, upper):
    found = dressed(ring(middle, axis), ARM)
    assert found.forearm == pytest.approx(forearm, abs=1e-9)
    assert found.upper_arm == pytest.approx(upper, abs=1e-9)
    assert found.whole_ratio == pytest.approx((forearm + upper) / 0.63, abs=1e-9)
    assert found.upper_ratio == pytest.approx(upper / 0.28, abs=1e-9)


def test_cloth_that_cannot_be_believed_has_a_cause():
    along = SLEEVE.shape @ np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    around_arm = along + [0.0, 0.1, 0.0]
    assert broken(SLEEVE, around_arm, ARM) == ""
    assert broken(SLEEVE, around_arm * [1.0, 1.0, np.nan], ARM) == "not_finite"
    assert broken(SLEEVE, around_arm * 4.0, ARM) == "stretch"
    assert broken(SLEEVE, along + [0.075, 0.1, 0.0], ARM) == "penetration"


def test_a_flat_sheet_pushed_through_itself_is_counted():
    assert self_intersections(SLEEVE, SLEEVE.shape) == 0
    pushed = SLEEVE.shape.copy()
    pushed[2 * 12] -= [0.0, 0.0, 0.2]  # the top of the middle ring, out of the bottom
    assert self_intersections(SLEEVE, pushed) > 0


def test_a_pose_bends_as_its_angles_say():
    shoulder, elbow, wrist, tips = Pose(0.0, 90.0, 0.0).joints
    upper, lower = elbow - shoulder, wrist - elbow
    assert upper @ lower == pytest.approx(0.0, abs=1e-12)
    assert np.linalg.norm(upper) == pytest.approx(0.28)
    assert np.linalg.norm(tips - wrist) == pytest.approx(0.10)
    assert Pose(30.0, 90.0, 0.0).joints[1][2] - shoulder[2] == pytest.approx(0.14)
    assert Pose(0.0, 90.0, 30.0).joints[3][2] - elbow[2] == pytest.approx(0.175)


def test_capsules_lie_between_the_joints():
    joints = Pose(10.0, 80.0, -15.0).joints
    truth = {f"object.{name}": np.array(pose) for name, pose in arm_poses(joints).items()}
    np.testing.assert_allclose(arm_joints(truth), joints, atol=1e-12)


def test_every_region_has_poses_of_its_own_in_both_splits():
    assert len(REGIONS) == 27
    for region, thirds in enumerate(REGIONS):
        train, held_out = (region_poses(region, split) for split in SPLITS)
        assert len(train) == 12
        assert len(held_out) == 2
        assert not set(train) & set(held_out)
        for pose in (*train, *held_out):
            for angle, edges, third in zip(
                (pose.raised, pose.bent, pose.up), EDGES, thirds, strict=True
            ):
                assert edges[third] <= angle <= edges[third + 1]
