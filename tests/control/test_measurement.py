"""A joint that cannot be where it was measured: left aside once, a stop if it lasts."""

from dataclasses import replace

import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.catalog import load_robot
from robot_policies.control.measurement import MeasurementJudge, rest_pose
from robot_policies.control.refusal import Cause
from robot_policies.control.safety import SafetyGate
from robot_policies.control.verdict import Level
from robot_policies.interface import Action, ActionKind, RobotState
from robot_policies.interface.plausibility import overshoot

ROBOT = toy_robot({"shoulder": {}, "elbow": {}})  # 2 rad/s, [-1, 1] rad, 50 Hz
PERIOD, TIMEOUT = 0.02, 0.1
TURN = 2.0 * np.pi


def state(stamp, *position, robot=ROBOT):
    q = np.array(position or robot.default, float)
    return RobotState(stamp, q, np.zeros(len(q)))


def judged(*poses, start=0.0, period=PERIOD, robot=ROBOT):
    """Return what is said of one pose after another, one per control period."""
    judge = MeasurementJudge(robot, TIMEOUT)
    moments = (start + k * period for k in range(len(poses)))
    return [judge.judge(state(t, *q, robot=robot), t) for t, q in zip(moments, poses, strict=True)]


REST, ZERO = (0.8, 0.1), (0.0, 0.0)


def test_one_impossible_sample_among_right_ones_costs_that_sample():
    judge = MeasurementJudge(ROBOT, TIMEOUT)
    for k in range(200):
        wrong = k % 10 == 5  # once in 200 ms
        refusal = judge.judge(state(k * PERIOD, *(ZERO if wrong else REST)), k * PERIOD)
        assert (refusal.cause if refusal else None) == (Cause.IMPLAUSIBLE if wrong else None)
    assert judge.skipped == 20
    assert refusal is None


def test_it_says_which_joint_and_why():
    *_, refusal = judged(REST, REST, ZERO)
    assert refusal.text == "joint shoulder measured at 0, 20 ms after 0.8: it is not so fast"
    assert (refusal.joint, refusal.value) == ("shoulder", 0.0)
    (refusal,) = judged((0.1, 0.1 + TURN))
    assert refusal.text == "joint elbow measured at 6.38, outside [-1, 1]"


def test_a_jump_that_lasts_stops_and_is_then_where_the_robot_is():
    causes = [r.cause if r else None for r in judged(REST, *[ZERO] * 8)]
    # As long as a silent robot is waited for: 100 ms from the first doubt.
    assert causes == [None, *[Cause.IMPLAUSIBLE] * 5, Cause.STATE, None, None]


def test_waiting_does_not_make_a_jump_believable():
    """At 2 rad/s, doubled, 0.8 rad take 200 ms; the measurements in between did not move."""
    causes = [r and r.cause for r in judged(REST, *[ZERO] * 6, period=0.03)]
    assert Cause.STATE in causes
    assert None not in causes[1 : causes.index(Cause.STATE)]


def test_two_sources_in_turns_stop_the_robot():
    causes = [r and r.cause for r in judged(*[REST, ZERO] * 4)]
    assert Cause.STATE in causes


def test_after_a_gap_in_the_measurements_a_joint_may_be_elsewhere():
    judge = MeasurementJudge(ROBOT, TIMEOUT)
    assert judge.judge(state(0.0, *REST), 0.0) is None
    assert judge.judge(state(0.2, *ZERO), 0.2) is None


@pytest.mark.parametrize("name", ["so101", "go1", "go2"])
def test_a_joint_at_its_fastest_is_believed_and_one_turn_or_zeros_are_not(name):
    robot = load_robot(name)
    lower, upper, period = robot.lower, robot.upper, 1.0 / robot.control_rate
    sweep = np.arange(0.0, 1.0, period)[:, None] * robot.velocity
    path = np.clip(lower + 1.5 * sweep, lower, upper)  # half as fast again as it can be
    path += 0.01 * np.random.default_rng(0).standard_normal(path.shape)
    level = replace(robot, tilt_limit=None)
    assert not any(judged(*path, period=period, robot=level))
    for joint in range(len(lower)):
        turned = robot.default.copy()
        turned[joint] += TURN
        assert judged(robot.default, turned, period=period, robot=level)[1].joint
    assert judged(robot.default, 0.0 * robot.default, period=period, robot=level)[1]


def test_a_stop_that_gives_way_is_no_fault():
    assert not any(judged((1.08, 0.1), (1.086, 0.1)))
    assert judged((1.088, 0.1))[0].cause is Cause.IMPLAUSIBLE
    sliding = toy_robot({"lift": {"sliding": True}})
    np.testing.assert_allclose(overshoot(sliding), 0.01)


def test_a_stamp_from_the_future_costs_itself_only():
    judge = MeasurementJudge(ROBOT, TIMEOUT)
    assert judge.judge(state(0.0), 0.0) is None
    assert judge.judge(state(5.0), PERIOD).cause is Cause.CLOCK
    assert judge.judge(state(2 * PERIOD), 2 * PERIOD) is None


def test_the_same_measurement_may_be_read_again():
    judge = MeasurementJudge(ROBOT, TIMEOUT)
    for now in (0.0, 0.01, 0.09):
        assert judge.judge(state(0.0), now) is None
    assert judge.judge(state(0.0), 0.11).cause is Cause.STALE_STATE
    for _ in range(3):  # at the control step, and at each chunk
        assert judge.judge(state(0.12, 0.0, TURN), 0.12).cause is Cause.IMPLAUSIBLE
    assert judge.skipped == 1


def test_a_clock_set_back_costs_one_measurement_and_hides_no_jump():
    judge = MeasurementJudge(ROBOT, TIMEOUT)
    assert judge.judge(state(1.0, *REST), 1.0) is None
    assert judge.judge(state(0.95, *REST), 1.02).cause is Cause.CLOCK
    assert judge.judge(state(0.97, *REST), 1.04) is None
    assert judge.judge(state(0.96, *ZERO), 1.04).cause is Cause.CLOCK
    assert judge.judge(state(0.98, *ZERO), 1.05).cause is Cause.IMPLAUSIBLE


def test_the_rest_pose_is_where_the_joints_are_and_never_their_limit():
    np.testing.assert_array_equal(rest_pose(ROBOT, state(0.0, 1.05, -1.3)), [1.05, -1.3])
    np.testing.assert_array_equal(rest_pose(ROBOT, state(0.0, 0.4, np.nan)), [0.4, 0.1])
    np.testing.assert_array_equal(rest_pose(ROBOT, state(0.0, 0.4)), ROBOT.default)


def test_the_gate_keeps_the_last_command_for_one_wrong_sample_and_stops_for_many():
    gate, now = SafetyGate(ROBOT), 0.0

    def offer(q, target):
        action = Action(np.array(target), ROBOT.joint_names, ActionKind.JOINT_POSITION, now)
        return gate.check(action, state(now, *q), now)

    for k in range(5):
        now = k * PERIOD
        assert offer(REST, REST).level is Level.PASS
    now += PERIOD
    verdict = offer(ZERO, (0.02, 0.0))
    assert verdict.refusal.cause is Cause.IMPLAUSIBLE
    np.testing.assert_array_equal(verdict.command.values, REST)
    now += PERIOD
    assert offer(REST, REST).level is Level.PASS
    now += 1.0
    for _ in range(8):
        now += PERIOD
        verdict = offer((0.8, 0.1 + TURN), REST)
    assert (verdict.level, verdict.refusal.cause) == (Level.ESTOP, Cause.STATE)
