"""The task: its grid, its starts, and that an expert can do it."""

from typing import Any

import numpy as np
import pytest
from conformance import check_task

from robot_policies import catalog
from robot_policies.control.episode import run_episode
from robot_policies.control.load import LoadJudge
from robot_policies.control.verdict import Level
from robot_policies.interface import ConfigError, PersonLimits, UnknownNameError
from robot_policies.interface.kinematics import Kinematics
from robot_policies.policies.catalog import load_policy
from robot_policies_sim.engines.mujoco.backend import MujocoBackend
from robot_policies_sim.worlds.dressing.dress_arm import DressArm
from robot_policies_sim.worlds.dressing.person import Pose, arm_joints, region_poses

TASK: Any = catalog.load_task("dress_arm")
ARM = catalog.load_robot("xarm7")


def simulator(cameras: bool = False) -> Any:
    backend = MujocoBackend(ARM, TASK.scene, cameras)
    backend.connect()
    return backend


class Felt:
    """An observer that keeps the load at the wrist, and from where on the robot was stopped."""

    def begin(self, robot, policy, task, initial):
        self.feels = LoadJudge(robot, PersonLimits(force=1e6, peak_force=1e6))
        self.loads, self.stopped = [], None

    def step(self, record):
        self.feels.judge(record.state, record.time)
        self.loads.append(self.feels.load)
        if self.stopped is None and record.verdict.level is Level.ESTOP:
            self.stopped = len(self.loads)

    def end(self, result): ...


def test_it_is_a_task():
    check_task(TASK, simulator)


def test_the_first_270_seeds_are_the_whole_grid_once(monkeypatch):
    asked: list[tuple[Pose, str]] = []
    monkeypatch.setattr(
        DressArm,
        "conditions",
        lambda self, pose, garment, inside: asked.append((pose, garment)) or {},
    )
    for seed in range(270):
        TASK.initial(seed)
    assert len(set(asked)) == 270
    poses = {pose for region in range(27) for pose in region_poses(region, "held_out")}
    assert {pose for pose, _ in asked} == poses


def test_training_never_sees_a_kept_pose_or_garment(monkeypatch):
    asked: list[tuple[Pose, str]] = []
    monkeypatch.setattr(
        DressArm,
        "conditions",
        lambda self, pose, garment, inside: asked.append((pose, garment)) or {},
    )
    train = catalog.load_task("dress_arm/train")
    for seed in range(300):
        train.initial(seed)
    kept = {pose for region in range(27) for pose in region_poses(region, "held_out")}
    assert not kept & {pose for pose, _ in asked}
    assert {garment for _, garment in asked} == {"gown", "cardigan", "shirt", "jersey"}


@pytest.mark.parametrize("pose", [Pose(-20.0, 70.0, -20.0), Pose(30.0, 110.0, 30.0)])
def test_it_begins_with_the_tip_on_top_of_the_opening(pose):
    initial = TASK.conditions(pose, "shirt")
    joints = np.array([initial["joint_position"][name] for name in ARM.joint_names])
    rotation, tip = Kinematics(ARM, "tip").pose(joints)
    np.testing.assert_allclose(rotation[:, 2], [0.0, 0.0, -1.0], atol=2e-4)  # straight down
    middle = np.array(initial["cloths"]["sleeve"]["position"])
    assert np.linalg.norm(tip - middle) == pytest.approx(0.085, abs=2e-4)


def test_unknown_variants_and_garments_are_refused():
    with pytest.raises(UnknownNameError, match="no variant 'trian'"):
        catalog.load_task("dress_arm/trian")
    with pytest.raises(UnknownNameError, match="no garment 'coat'"):
        DressArm("dress_arm", {"shirt": {}}, kept=["coat"])
    with pytest.raises(ConfigError, match="no garments to learn from"):
        DressArm("dress_arm", {"shirt": {}}, kept=["shirt"])


def test_the_expert_pulls_a_sleeve_over_hand_elbow_and_upper_arm():
    backend = simulator(cameras=True)  # where the person is has to be seen
    initial = TASK.conditions(Pose(-10.0, 76.0, 10.0), "cardigan")
    result = run_episode(backend, TASK.expert(backend), TASK, seed=0, initial=initial)
    assert result.ended_by == "success"
    assert result.metrics["upper_arm_ratio"] > 0.9
    assert result.metrics["peak_force"] < 20.0
    assert result.metrics["stretch"] < 2.0
    assert not result.refusals


def test_a_person_moves_as_the_list_says_and_not_before():
    initial = catalog.load_task("dress_arm/lift").initial(0)
    backend = simulator()
    start = arm_joints(backend.reset(0, initial).truth)
    backend.advance(1.9)
    np.testing.assert_allclose(arm_joints(backend.read().truth), start, atol=1e-6)
    backend.advance(3.1)
    now = arm_joints(backend.read().truth)
    np.testing.assert_allclose(now[0], start[0], atol=1e-6)  # the shoulder stays
    lifted = np.linalg.norm(now[1] - start[1])
    assert lifted == pytest.approx(2.0 * 0.28 * np.sin(np.radians(4.0)), abs=1e-4)  # 8 degrees
    assert now[1, 2] > start[1, 2]
    backend.close()


def test_every_motion_stays_within_five_centimetres():
    pose = region_poses(13, "held_out")[0]
    for name in ("drift", "lift", "both"):
        for row in catalog.entry("tasks", "dress_arm").options["motions"][name]:
            time, x, y, z, raised = row
            moved = Pose(pose.raised + raised, pose.bent, pose.up).joints + [x, y, z]
            assert np.linalg.norm(moved - pose.joints, axis=1).max() <= 0.0505, (name, time)


def test_a_gripper_that_an_arm_is_raised_into_lets_go_and_gives_way():
    task: Any = catalog.load_task("dress_arm/raised")
    backend, felt = simulator(cameras=True), Felt()
    initial = task.conditions(Pose(0.0, 90.0, 0.0), "gown")
    hold = load_policy("hold", robot=ARM)
    result = run_episode(backend, hold, task, seed=0, initial=initial, observers=[felt])
    assert result.ended_by == "force"
    stopped = felt.loads[felt.stopped :]
    assert len(stopped) >= 45  # 0.9 s
    assert max(stopped) < 80.0  # 160 N where the gripper only stands still
    assert max(stopped[8:]) < task.person.force  # 0.16 s after the stop
    backend.close()
