"""Points in, displacement out: frames, crops, voxels, faults, and clouds that cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch

from robot_policies.catalog import load_robot
from robot_policies.interface import ContractError, Observation
from robot_policies.interface.clouds import pad
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.observation import POINTS, STATE
from robot_policies.policies.dressing.clouds import crop, network_cloud, randomise, voxels
from robot_policies.policies.dressing.configuration_dressing import DressingConfig
from robot_policies.policies.dressing.modeling_dressing import DressingPolicy
from robot_policies.policies.dressing.processor_dressing import (
    make_dressing_pre_post_processors,
)
from robot_policies.policies.dressing.recipe import save_checkpoint
from robot_policies.policies.runtime import LerobotRuntime

ROBOT = load_robot("xarm7")
CONFIG = DressingConfig.for_robot(ROBOT)
TIP = Kinematics(ROBOT, "tip").pose(ROBOT.default)[1]


def scene(arm_class: float = 2.0, cloth_class: float = 3.0) -> np.ndarray:
    """Return an arm along y ahead of the gripper and a patch of cloth to its left."""
    along = np.linspace(-0.2, 0.2, 41)
    arm = np.column_stack([0.1 + 0 * along, along, -0.1 + 0 * along]) + TIP
    cloth = np.column_stack([0 * along, 0.2 + 0.1 * along, 0 * along]) + TIP
    return np.vstack(
        [
            np.column_stack([arm, np.full(41, arm_class)]),
            np.column_stack([cloth, np.full(41, cloth_class)]),
        ]
    )


def observed(cloud: np.ndarray) -> Observation:
    points = pad(cloud.astype(np.float32), CONFIG.sensor_points)
    state = ROBOT.default.astype(np.float32)
    return Observation({POINTS: points, STATE: state}, {POINTS: 0.0, STATE: 0.0})


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(DressingPolicy(CONFIG), tmp_path)
    return tmp_path


def seen_by(pre: object, cloud: np.ndarray) -> np.ndarray:
    observation = observed(cloud)
    batch = {name: torch.tensor(observation[name]).unsqueeze(0) for name in (POINTS, STATE)}
    return pre(batch)[POINTS][0].numpy()  # pyright: ignore[reportCallIssue]


def test_ahead_is_x_and_left_is_y_as_seen_from_the_gripper():
    seen = seen_by(make_dressing_pre_post_processors(CONFIG)[0], scene())
    arm, cloth = seen[seen[:, 3] == 1.0, :3], seen[seen[:, 4] == 1.0, :3]
    np.testing.assert_allclose(arm[:, 0], 0.1, atol=1e-5)  # a wrong yaw would turn it
    np.testing.assert_allclose(arm.mean(axis=0), [0.1, 0.0, -0.1], atol=0.03)
    np.testing.assert_allclose(cloth.mean(axis=0), [0.0, 0.2, 0.0], atol=0.03)
    np.testing.assert_array_equal(seen[-1], [0, 0, 0, 0, 0, 1, 1])  # the gripper, last


def test_the_arm_is_remembered_until_the_episode_ends():
    step = make_dressing_pre_post_processors(CONFIG)[0]
    first = seen_by(step, scene())
    half = scene()[20:]  # the sleeve hides half of the arm
    np.testing.assert_array_equal(seen_by(step, half), first)
    step.reset()
    assert (seen_by(step, half)[:, 3] == 1.0).sum() < (first[:, 3] == 1.0).sum()


def test_voxels_are_means_and_do_not_depend_on_order():
    points = np.array([[0.0, 0.0, 0.0], [0.02, 0.0, 0.0], [0.06, 0.0, 0.0]])
    found = voxels(points, 0.05)
    np.testing.assert_allclose(found, [[0.01, 0.0, 0.0], [0.06, 0.0, 0.0]])
    np.testing.assert_allclose(voxels(points[::-1], 0.05), found)


def test_cloth_far_below_the_arm_is_cropped():
    arm = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.2]])
    cloth = np.array([[0.0, 0.0, 0.81], [0.0, 0.0, 0.79]])
    np.testing.assert_array_equal(crop(cloth, arm, 0.3), cloth[:1])


def test_too_many_points_are_thinned_evenly():
    rng = np.random.default_rng(0)
    arm, cloth = rng.uniform(0, 2, (4000, 3)), rng.uniform(0, 2, (2000, 3)) + [0, 0, 1]
    seen = network_cloud(arm, cloth, np.zeros(3), 0.0, points=100, voxel=0.1, crop_below=5.0)
    arms, cloths = (seen[:, 3] == 1).sum(), (seen[:, 4] == 1).sum()
    assert 97 <= arms + cloths <= 99
    assert arms > cloths > 20


def test_faults_of_a_camera_are_bounded_and_of_the_seed():
    cloud = scene()
    arm, cloth = cloud[:41, :3], cloud[41:, :3]
    for seed in range(20):
        one, other = (
            randomise(arm, cloth, TIP, CONFIG, np.random.default_rng(seed)) for _ in range(2)
        )
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
        assert len(one[0])
        assert len(one[1])
        assert len(one[0]) + len(one[1]) <= len(cloud)
        assert np.linalg.norm(one[2] - TIP) < 0.03


def test_a_checkpoint_is_a_policy(checkpoint):
    policy = LerobotRuntime(checkpoint)
    chunk = policy.act(observed(scene()))
    assert chunk.values.shape == (1, 6)
    assert abs(chunk.values[0, 3]) < 1e-6  # the gripper looks along x: it does not roll
    assert np.linalg.norm(chunk.values[0, :3]) <= 0.01 + 1e-9
    assert policy.observation_spec[POINTS].frame == "link_base"
    again = LerobotRuntime(checkpoint).act(observed(scene()))
    np.testing.assert_array_equal(again.values, chunk.values)


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        (scene(arm_class=7.0), "no point of the arm; is its class right"),
        (scene(cloth_class=7.0), "no point of the cloth; is its class right"),
        (scene() + [3.0, 0.0, 0.0, 0.0], r"the arm is 3.\d+ m from the gripper, at most 2 m"),
    ],
)
def test_a_cloud_that_cannot_be_of_this_scene_is_refused(checkpoint, cloud, said):
    policy = LerobotRuntime(checkpoint)
    with pytest.raises(ContractError, match=said):
        policy.act(observed(cloud))
