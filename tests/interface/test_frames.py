"""Rotations are MuJoCo's, for one and for many, and one is the inverse of the other."""

import mujoco
import numpy as np
import pytest

from robot_policies.interface.frames import (
    cross,
    matrix,
    quaternion,
    rotation_about,
    rotation_vector,
    to_body,
    to_world,
)


def test_rotations_agree_with_mujoco():
    rng = np.random.default_rng(2)
    roll, pitch, yaw = rotation = rng.uniform(-3.0, 3.0, 3)
    turn = np.eye(3)
    for angle, axis in ((roll, [1, 0, 0]), (pitch, [0, 1, 0]), (yaw, [0, 0, 1])):
        one, flat = np.zeros(4), np.zeros(9)
        mujoco.mju_axisAngle2Quat(one, np.array(axis, float), angle)
        mujoco.mju_quat2Mat(flat, one)
        turn = flat.reshape(3, 3) @ turn
    np.testing.assert_allclose(matrix(quaternion(rotation)), turn, atol=1e-12)
    vector, other = rng.normal(size=3), rng.normal(size=3)
    np.testing.assert_allclose(to_body(quaternion(rotation), turn @ vector), vector, atol=1e-12)
    np.testing.assert_allclose(cross(vector, other), np.cross(vector, other))


def test_many_are_turned_as_each_alone_is():
    rng = np.random.default_rng(3)
    rotation, vector = rng.uniform(-3.0, 3.0, (4, 5, 3)), rng.normal(size=(4, 5, 3))
    orientation = quaternion(rotation)
    turned = to_body(orientation, vector)
    assert turned.shape == (4, 5, 3)
    for at in np.ndindex(4, 5):
        np.testing.assert_array_equal(orientation[at], quaternion(rotation[at]))
        # A product of matrices is rounded as its numbers happen to lie in memory.
        np.testing.assert_allclose(turned[at], to_body(orientation[at], vector[at]), rtol=1e-14)
    np.testing.assert_allclose(to_world(orientation, turned), vector, atol=1e-12)


def test_roll_pitch_yaw_are_about_fixed_axes():
    nose_up_then_left = matrix(quaternion([0.0, -np.pi / 2, np.pi / 2]))
    np.testing.assert_allclose(nose_up_then_left @ [1, 0, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(nose_up_then_left @ [0, 1, 0], [-1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.3, 3.0, np.pi])
def test_a_rotation_vector_turns_back_into_its_rotation(angle):
    axis = np.array([1.0, -2.0, 2.0]) / 3.0
    turned = rotation_about(axis, angle)
    found = rotation_vector(turned)
    assert np.linalg.norm(found) == pytest.approx(angle, abs=1e-12)
    if angle:
        again = rotation_about(found / np.linalg.norm(found), float(np.linalg.norm(found)))
        np.testing.assert_allclose(again, turned, atol=1e-9)
