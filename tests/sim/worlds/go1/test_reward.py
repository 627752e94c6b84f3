from dataclasses import replace

import numpy as np
import pytest

from robot_policies_sim.worlds.go1.reward import TRACK, WALK, WalkStep, blend, reward, terms


def perfect(command, time=0.125):
    """A robot that does what is asked; at 1/8 s the pair FR, RL carries and the other swings."""
    command = np.asarray(command, dtype=float)
    moving = np.abs(command).sum() > 0.1
    contact = np.array([True, False, False, True]) if moving else np.ones(4, dtype=bool)
    zeros = np.zeros(12)
    return WalkStep(
        command=command,
        velocity=np.array([command[0], command[1], 0.0]),
        turn=np.array([0.0, 0.0, command[2]]),
        gravity=np.array([0.0, 0.0, -1.0]),
        height=np.array(0.29),
        joint_offset=zeros,
        joint_velocity=zeros,
        joint_acceleration=zeros,
        torque=zeros,
        target_change=zeros,
        contact=contact,
        lift=np.where(contact, 0.0, 0.06),
        time=np.array(time),
    )


@pytest.mark.parametrize("weights", [WALK, TRACK])
def test_doing_what_is_asked_earns_every_bonus_and_no_penalty(weights):
    expected = weights.tracking + weights.progress + weights.yaw + 0.5 * weights.gait
    assert reward(perfect([0.5, 0.0, 0.3]), weights) == pytest.approx(expected)


def test_tracking_by_hand():
    motion = replace(perfect([0.5, 0.0, 0.0]), velocity=np.array([0.3, 0.1, 0.0]))
    earned = terms(motion, WALK)
    assert earned["tracking"] == pytest.approx(0.5 * np.exp(-(0.04 + 0.01) / 0.15))
    assert earned["progress"] == pytest.approx(0.3 / 0.5)


@pytest.mark.parametrize("speed", [0.0, 0.3, 0.7, 1.0])
def test_no_other_speed_pays_as_much_as_the_commanded_one(speed):
    motion = replace(perfect([0.5, 0.0, 0.0]), velocity=np.array([speed, 0.0, 0.0]))
    assert reward(motion, TRACK) < reward(perfect([0.5, 0.0, 0.0]), TRACK)


def test_the_clock_swaps_the_pairs_after_half_a_stride():
    motion = perfect([0.5, 0.0, 0.0], time=0.125 + 0.25)
    assert terms(motion, WALK)["gait"] == pytest.approx(-0.5 * WALK.gait)


def test_standing_asks_all_feet_down_and_stillness():
    assert terms(perfect([0.0, 0.0, 0.0]), WALK)["gait"] == pytest.approx(0.5 * WALK.gait)
    moving = replace(perfect([0.0, 0.0, 0.0]), joint_velocity=np.ones(12))
    assert terms(moving, WALK)["rest"] == pytest.approx(12 * WALK.rest)
    assert terms(replace(moving, command=np.array([0.5, 0, 0])), WALK)["rest"] == 0.0


def test_a_dragged_foot_costs():
    motion = replace(perfect([0.5, 0.0, 0.0]), lift=np.zeros(4))
    assert terms(motion, WALK)["clearance"] == pytest.approx(2 * WALK.clearance * 0.05**2)


def test_the_sum_is_never_negative():
    motion = replace(perfect([0.5, 0.0, 0.0]), torque=np.full(12, 1000.0))
    assert reward(motion) == 0.0


def test_blend_goes_from_early_to_late():
    assert blend(WALK, TRACK, 0.0) == WALK
    assert blend(WALK, TRACK, 1.0) == TRACK
    assert blend(WALK, TRACK, 0.5).width == pytest.approx(0.1)
