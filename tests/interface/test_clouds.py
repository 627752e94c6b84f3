"""Clouds are padded to a known size, and what cannot be one is refused."""

import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.control.observation_buffer import ObservationBuffer
from robot_policies.interface import ConfigError, ContractError, ObservationSpec
from robot_policies.interface.clouds import (
    PADDING,
    back_projection,
    cloud_spec,
    fit_cloud,
    pad,
    present,
)
from robot_policies.interface.observation import POINTS

SPEC = cloud_spec(6, "base", reach=2.0)
CLOUD = np.array([[0.1, 0.2, 0.3, 1.0], [0.4, 0.5, 0.6, 2.0]], np.float32)
NAN = np.full((1, 4), np.nan, np.float32)


def test_a_cloud_is_padded_to_the_declared_number():
    cloud, dropped = fit_cloud(CLOUD, SPEC)
    assert (cloud.shape, cloud.dtype, dropped) == ((6, 4), np.float32, 0)
    np.testing.assert_array_equal(cloud[:2], CLOUD)
    np.testing.assert_array_equal(cloud[2:], [[0.0, 0.0, 0.0, PADDING]] * 4)


def test_a_padded_cloud_is_padded_anew():
    cloud, _ = fit_cloud(pad(CLOUD, 40), SPEC)
    np.testing.assert_array_equal(cloud, fit_cloud(CLOUD, SPEC)[0])


def test_points_that_are_no_numbers_are_dropped_and_counted():
    cloud, dropped = fit_cloud(np.concatenate([NAN, CLOUD, NAN]), SPEC)
    assert dropped == 2
    np.testing.assert_array_equal(cloud[:2], CLOUD)


BAD = {
    "nothing": (np.zeros((0, 4), np.float32), "0 of 0 points are numbers"),
    "padding": (pad(CLOUD[:0], 5), "no points, only padding"),
    "no numbers": (np.repeat(NAN, 5, axis=0), "0 of 5 points are numbers, at least 1 must be"),
    "few numbers": (
        np.concatenate([CLOUD, np.repeat(NAN, 38, axis=0)]),
        "2 of 40 points are numbers, at least 4 must be",
    ),
    "millimetres": (CLOUD * [1000, 1000, 1000, 1], r"\[x\] = 100 m is beyond 2 m; are these mill"),
    "too many": (np.repeat(CLOUD, 4, axis=0), "8 points, at most 6 are taken"),
    "no classes": (CLOUD[:, :3], r"shape \(2, 3\), expected floats of shape \(n, 4\)"),
    "whole numbers": (CLOUD.astype(int), "int64 of shape"),
    "a class below padding": (CLOUD * [1, 1, 1, -2], r"\[class\] = -2 1 is below -1"),
}


@pytest.mark.parametrize(("points", "complaint"), BAD.values(), ids=BAD)
def test_what_is_no_cloud_is_refused(points, complaint):
    with pytest.raises(ContractError, match=complaint):
        fit_cloud(points, SPEC)


def buffer(provided=SPEC) -> ObservationBuffer:
    return ObservationBuffer(ObservationSpec({POINTS: SPEC}), {POINTS: provided})


def test_the_policy_gets_the_size_it_declared_whatever_comes():
    made = buffer(cloud_spec(4, "base"))
    for number, points in enumerate((CLOUD, pad(CLOUD, 4), np.concatenate([CLOUD, NAN]))):
        made.push(POINTS, points, float(number))
        cloud = made.snapshot(float(number))[POINTS]
        np.testing.assert_array_equal(cloud, pad(CLOUD, 6))
    assert made.dropped == 1


def test_a_cloud_in_another_frame_is_refused():
    with pytest.raises(ContractError, match="'base', the robot gives them in 'camera'"):
        buffer(cloud_spec(6, "camera"))
    with pytest.raises(ContractError, match="points in frame 'camera', the policy needs 'base'"):
        buffer().push(POINTS, CLOUD, 0.0, frame="camera")


def test_a_robot_that_may_give_more_points_is_refused_at_once():
    with pytest.raises(ContractError, match="takes 6 points, the robot gives up to 7"):
        buffer(cloud_spec(7, "base"))


CAMERA = {"width": 4, "height": 3, "focal_length": 4.0, "link": "elbow_link"}
SEEING = {"top": {**CAMERA, "depth": True, "labels": True}}
CLOUDS = {"camera": "top", "points": 20, "frame": "base"}


def test_a_table_names_camera_frame_and_size_of_its_cloud():
    robot = toy_robot({"elbow": {}}, cameras=SEEING, cloud={**CLOUDS, "reach": 3.0})
    spec = robot.streams[POINTS]
    assert (spec.shape, spec.frame) == ((20, 4), "base")
    assert spec.upper is not None
    assert spec.upper[0] == 3.0
    assert robot.streams["observation.depth.top"].shape == (3, 4)
    assert robot.streams["observation.labels.top"].dtype == np.uint8


@pytest.mark.parametrize(
    ("cameras", "cloud", "complaint"),
    [
        ({"top": CAMERA}, CLOUDS, "camera 'top' needs 'depth: true, labels: true'"),
        (SEEING, {**CLOUDS, "camera": "tpo"}, "no camera 'tpo'. Did you mean 'top'"),
        (SEEING, {**CLOUDS, "frame": "bas"}, "no link 'bas'. Did you mean 'base'"),
        (SEEING, {**CLOUDS, "points": 0}, "points 0 and reach 50.0 m must be > 0"),
        (SEEING, {**CLOUDS, "point": 5}, "unknown key 'point'"),
    ],
)
def test_a_cloud_nothing_can_give_is_refused(cameras, cloud, complaint):
    with pytest.raises(ConfigError, match=f"toy.yaml: cloud: {complaint}"):
        toy_robot({"elbow": {}}, cameras=cameras, cloud=cloud)


def test_a_pixel_is_projected_back_along_its_ray():
    depth, labels = np.zeros((4, 6), np.float32), np.ones((4, 6), np.uint8)
    depth[0, 5], labels[0, 5] = 2.0, 3  # 2.5 pixels right of the middle, 1.5 above
    found = back_projection(depth, labels, 10.0, 50)
    np.testing.assert_allclose(found, [[0.5, 0.3, -2.0, 3.0]])


def test_pixels_without_depth_or_class_are_left_out_and_the_rest_is_thinned():
    depth, labels = np.ones((20, 20), np.float32), np.ones((20, 20), np.uint8)
    depth[:5], depth[5:8], labels[8:10] = 0.0, np.nan, 0
    assert len(back_projection(depth, labels, 10.0, 1000)) == 200
    assert len(back_projection(depth, labels, 10.0, 50)) == 50


@pytest.mark.parametrize(
    ("depth", "focal_length", "said"),
    [
        (np.full((2, 3), 800.0), 10.0, "depth 800 m is beyond 50 m; are these millimetres"),
        (np.ones((2, 3)), 0.0, "focal length 0.0 px: expected > 0"),
        (np.ones((2, 2)), 10.0, r"depth \(2, 2\) and labels \(2, 3\) are not aligned"),
    ],
)
def test_pictures_that_give_no_points_are_refused(depth, focal_length, said):
    with pytest.raises(ContractError, match=said):
        back_projection(depth, np.ones((2, 3), np.uint8), focal_length, 10)


def test_an_example_has_things_of_several_classes_near_by():
    cloud = present(cloud_spec(2048, "base").example(np.random.default_rng(0)))
    assert {1.0, 2.0, 3.0} <= set(cloud[:, 3])
    assert np.abs(cloud[:, :3]).max() <= 1.0
