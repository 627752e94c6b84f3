"""What a servo tracks: a target that is held, moves, or has been left behind."""

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.interface import ActionKind, Command, Gains
from robot_policies_sim.engines.servo import ServoTarget, within_reach

ARM = load_robot("planar_arm")
HERE = ARM.default


def test_a_joint_that_is_held_up_does_not_leap_when_it_is_free():
    gains, here = ARM.gains["policy"], HERE
    target = within_reach(ARM, gains, here, here + [5.0, -5.0, 0.01, 0.0])
    np.testing.assert_allclose(gains.stiffness * (target - here), [60.0, -30.0, 0.6, 0.0])
    np.testing.assert_array_equal(within_reach(ARM, ARM.gains["damp"], here, here + 1.0), here)


def test_a_target_moves_at_the_commanded_speed_until_a_position_is_commanded():
    servo, speed = ServoTarget(ARM, 1.0, HERE), np.array([0.3, 0.0, 0.0, -0.3])
    assert not servo.moves
    servo.take(Command(0.0, speed, ActionKind.JOINT_VELOCITY), lambda: HERE)
    for _ in range(10):
        servo.move()
    np.testing.assert_allclose(servo.position, HERE + 10 * speed / ARM.servo_rate)
    servo.take(Command(0.0, HERE), lambda: HERE)
    assert not servo.moves
    np.testing.assert_array_equal(servo.position, HERE)


def test_weak_motors_give_less_than_a_command_asks_for():
    servo, ones = ServoTarget(ARM, 0.5, HERE), np.ones(len(ARM.joints))
    servo.take(Command(0.0, HERE, gains=Gains(40.0 * ones, 2.0 * ones)), lambda: HERE)
    np.testing.assert_array_equal(servo.gains.stiffness, 20.0 * ones)
    np.testing.assert_array_equal(servo.gains.damping, ones)
