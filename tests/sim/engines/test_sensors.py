"""Noise of the sensors, cameras out of place and kicks: what a condition of an episode may say."""

import numpy as np
import pytest

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.interface import ConfigError
from robot_policies.interface.frames import quaternion, turned
from robot_policies.interface.observation import IMAGES, IMU

ENGINES = ("mujoco", "pybullet")


def begun(engine, robot, task, seed=0, **conditions):
    task = load_task(task)
    simulator = make_backend(engine, load_robot(robot), task.scene)
    simulator.connect()
    simulator.reset(seed, {**task.initial(0), **conditions})
    return simulator


@pytest.mark.parametrize("engine", ENGINES)
def test_noise_is_of_its_size_and_the_truth_has_none(engine):
    noise = {"position_noise": 0.02, "velocity_noise": 0.5, "turn_noise": 0.2}
    noise["orientation_noise"] = 0.03
    quiet = begun(engine, "go1", "go1_walk")
    noisy = begun(engine, "go1", "go1_walk", **noise)
    positions, velocities, turns, tilts = [], [], [], []
    for _ in range(20):
        quiet.advance(0.02)
        noisy.advance(0.02)
        plain, seen = quiet.read(pictures=False), noisy.read(pictures=False)
        positions.append(seen.joint_position - plain.joint_position)
        velocities.append(seen.joint_velocity - plain.joint_velocity)
        turns.append(seen.features[IMU][4:7] - plain.features[IMU][4:7])
        tilts.append(2.0 * np.linalg.norm((seen.features[IMU] - plain.features[IMU])[:4]))
        assert (seen.truth["base_orientation"] == plain.truth["base_orientation"]).all()
        assert (seen.features[IMU][7:] == plain.features[IMU][7:]).all()
    for found, most in ((positions, 0.02), (velocities, 0.5), (turns, 0.2)):
        assert 0.8 * most < np.max(np.abs(found)) <= most + 1e-6
    assert 0.01 < np.mean(tilts) < 0.03 * np.sqrt(3.0)


def test_noise_is_of_the_seed_and_the_moment_whoever_else_reads():
    conditions = {"position_noise": 0.02, "picture_noise": 5.0}
    alone = begun("mujoco", "so101", "tabletop_place", seed=3, **conditions)
    watched = begun("mujoco", "so101", "tabletop_place", seed=3, **conditions)
    other = begun("mujoco", "so101", "tabletop_place", seed=4, **conditions)
    for step in range(6):
        for simulator in (alone, watched, other):
            simulator.advance(1.0 / 30.0)
        if step % 2:
            watched.read()
    seen = alone.read()
    for name in (f"{IMAGES}.wrist", f"{IMAGES}.top"):
        assert (seen.features[name] == watched.read().features[name]).all()
    assert (seen.joint_position == watched.read().joint_position).all()
    assert (seen.joint_position != other.read().joint_position).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_camera_out_of_place_sees_another_picture_and_the_robot_is_not_told(engine):
    def picture(**conditions):
        simulator = begun(engine, "so101", "tabletop_place", **conditions)
        assert simulator.spec.cameras[1].position.tolist() == CAMERAS[1].position.tolist()
        return simulator.read().features[f"{IMAGES}.top"].astype(int)

    plain, same = picture(), picture(camera_shift=0.0)
    assert (plain == same).all()
    changed = [np.mean(abs(picture(camera_shift=shift) - plain)) for shift in (0.002, 0.02)]
    assert 0.0 < changed[0] < changed[1]
    assert np.mean(abs(picture(camera_turn=0.05) - plain)) > changed[0]
    assert 2.0 < np.std(picture(picture_noise=4.0) - plain) < 4.5


CAMERAS = load_robot("so101").cameras


@pytest.mark.parametrize("engine", ENGINES)
def test_kicks_come_every_three_seconds_from_where_the_seed_says(engine):
    pushed = begun(engine, "go1", "go1_walk", seed=1, push=0.5)
    plain = begun(engine, "go1", "go1_walk", seed=1)
    for simulator in (pushed, plain):
        simulator.advance(3.0)
    before = [s.read(pictures=False).truth["base_position"] for s in (pushed, plain)]
    assert before[0] == pytest.approx(before[1])
    pushed.advance(0.02)
    speed = pushed.read(pictures=False).truth["base_velocity"]
    assert 0.2 < np.linalg.norm(speed[:2]) < 0.6


def test_an_arm_is_not_pushed():
    with pytest.raises(ConfigError, match="the base of 'so101' does not move"):
        begun("mujoco", "so101", "tabletop_place", push=0.5)


def test_a_small_turn_is_that_of_a_quaternion():
    identity = np.array([0.0, 0.0, 0.0, 1.0])
    about_z = turned(identity, np.array([0.0, 0.0, 0.01]))
    assert about_z == pytest.approx(quaternion([0.0, 0.0, 0.01]), abs=1e-6)
    both = turned(np.stack([identity, about_z]), np.zeros((2, 3)))
    assert both == pytest.approx(np.stack([identity, about_z]))
