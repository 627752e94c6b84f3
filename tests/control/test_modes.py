"""The modes never jump, never follow what they should not, and stop for every danger."""

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toy_robot import toy_robot

from robot_policies.control.mode_table import LeggedMode, ModeTimes
from robot_policies.control.modes import ModeMachine
from robot_policies.interface import Command, CommandMode, ConfigError, RobotState
from robot_policies.interface.observation import IMU

PERIOD = 0.005  # s, the servo's
GAINS = {
    "policy": {"stiffness": 20.0, "damping": 0.5},
    "hold": {"stiffness": 60.0, "damping": 3.0},
    "damp": {"stiffness": 0.0, "damping": 3.0},
}
ROBOT = toy_robot(
    {"thigh": {"lying": 0.8}, "calf": {"lying": -0.9}},
    imu_link="base",
    tilt_limit=0.8,
    gains=GAINS,
    floating_base=True,
)
LEVEL = (0.0, 0.0, 0.0, 1.0)


class Leg:
    """A machine and a robot whose joints are where they are told, one step later."""

    def __init__(self, robot=ROBOT):
        self.machine, self.now, self.q = ModeMachine(robot), 0.0, robot.lying.copy()
        self.asked, self.sent = None, None

    def step(self, up=LEVEL, stamp=None, position=None, **measured):
        self.now += PERIOD
        imu = np.array([*up, *np.zeros(6)])
        stamp = self.now if stamp is None else stamp
        q = self.q if position is None else np.array(position, float)
        state = RobotState(
            stamp, q.copy(), np.zeros(2), features={IMU: imu}, stamps={IMU: stamp}, **measured
        )
        self.sent = self.machine.step(self.asked, state, self.now)
        if self.sent.mode is not CommandMode.DAMP:
            self.q = self.sent.values.copy()
        return self.sent

    def run(self, seconds, target=None, **measured):
        for _ in range(round(seconds / PERIOD)):
            if target is not None:
                self.ask(target)
            self.step(**measured)

    def ask(self, target, mode=CommandMode.POLICY):
        self.asked = Command(self.now, np.array(target, float), mode=mode)

    def walk(self, target=(0.2, 0.0)):
        self.run(0.1)
        assert self.machine.request(LeggedMode.STAND) == ""
        self.run(3.0)
        assert self.machine.request(LeggedMode.POLICY) == ""
        self.run(0.5, target)
        assert self.mode is LeggedMode.POLICY
        return self

    @property
    def mode(self):
        return self.machine.mode


def gains(command):
    return command.gains.stiffness[0], command.gains.damping[0]


def test_from_power_on_to_walking_and_back():
    leg = Leg()
    leg.run(0.1)
    assert (leg.mode, leg.sent.mode, gains(leg.sent)) == ("passive", CommandMode.DAMP, (0.0, 3.0))
    assert leg.machine.request(LeggedMode.STAND) == ""
    leg.run(1.0)
    assert (leg.mode, gains(leg.sent)) == ("stand_up", (60.0, 3.0))
    np.testing.assert_allclose(leg.sent.values, (ROBOT.lying + ROBOT.default) / 2.0, atol=0.01)
    leg.run(1.1)
    assert leg.mode is LeggedMode.STAND
    np.testing.assert_allclose(leg.sent.values, ROBOT.default)
    assert leg.machine.request(LeggedMode.POLICY) == ""
    leg.run(0.31, (0.2, 0.0))
    assert (leg.mode, gains(leg.sent)) == ("policy", (20.0, 0.5))
    np.testing.assert_array_equal(leg.sent.values, (0.2, 0.0))
    assert leg.machine.request(LeggedMode.STAND) == ""
    leg.run(0.6)
    assert (leg.mode, gains(leg.sent)) == ("stand", (60.0, 3.0))
    assert leg.machine.request(LeggedMode.LIE_DOWN) == ""
    leg.run(2.1)
    assert (leg.mode, gains(leg.sent)) == ("passive", (0.0, 3.0))
    np.testing.assert_allclose(leg.q, ROBOT.lying)


def test_halfway_through_the_blend_gains_and_target_are_halfway():
    leg = Leg()
    leg.run(0.1)
    leg.machine.request(LeggedMode.STAND)
    leg.run(3.0)
    leg.machine.request(LeggedMode.POLICY)
    leg.ask((0.3, 0.1))
    leg.run(PERIOD)
    leg.run(0.15)
    assert gains(leg.sent) == pytest.approx((40.0, 1.75))
    np.testing.assert_allclose(leg.sent.values, [0.2, 0.1])


@pytest.mark.parametrize("mode", [LeggedMode.POLICY, LeggedMode.LIE_DOWN])
def test_a_way_that_does_not_exist_is_named(mode):
    leg = Leg()
    leg.run(0.1)
    assert f"no '{mode}' from 'passive', only from" in leg.machine.request(mode)
    assert "nobody can ask for 'passive'" in leg.machine.request(LeggedMode.PASSIVE)
    assert leg.mode is LeggedMode.PASSIVE


def test_lying_down_is_not_possible_from_walking():
    leg = Leg().walk()
    assert "from 'policy'" in leg.machine.request(LeggedMode.LIE_DOWN)


def test_a_late_policy_is_held_then_stands():
    leg = Leg().walk()
    held = leg.sent.values
    leg.run(0.155)
    assert leg.mode is LeggedMode.POLICY
    np.testing.assert_array_equal(leg.sent.values, held)
    leg.run(0.01)
    assert leg.mode is LeggedMode.STAND
    assert "no target for 0.16 s" in leg.machine.reason
    leg.run(0.6)
    np.testing.assert_array_equal(leg.sent.values, ROBOT.default)


def test_holding_commands_of_the_gate_do_not_count_as_a_policy():
    leg = Leg().walk()
    for _ in range(40):
        leg.ask(leg.sent.values, CommandMode.HOLD)
        leg.step()
    assert leg.mode is LeggedMode.STAND


def test_a_policy_that_comes_back_in_time_goes_on():
    leg = Leg().walk()
    leg.run(0.14)
    leg.run(0.1, (0.25, 0.0))
    assert leg.mode is LeggedMode.POLICY
    np.testing.assert_array_equal(leg.sent.values, (0.25, 0.0))


def test_old_commands_are_not_followed_when_the_policy_is_let_on_again():
    leg = Leg().walk((0.3, 0.3))
    leg.machine.request(LeggedMode.STAND)
    leg.run(1.0)
    leg.machine.request(LeggedMode.POLICY)
    leg.run(0.1)
    np.testing.assert_array_equal(leg.sent.values, ROBOT.default)


HALF = np.sin(0.81 / 2.0), np.cos(0.81 / 2.0)
DANGERS = {
    "roll": ({"up": (HALF[0], 0.0, 0.0, HALF[1])}, "tilted 0.81 rad"),
    "pitch": ({"up": (0.0, HALF[0], 0.0, HALF[1])}, "tilted 0.81 rad"),
    "nan": ({"position": (np.nan, 0.0)}, "joint_position of 'thigh' is nan"),
    "inf": ({"position": (0.0, np.inf)}, "joint_position of 'calf' is inf"),
    "heat": ({"joint_temperature": np.array([20.0, 81.0])}, "motor calf at 81 deg C, limit 80"),
    "unknown heat": ({"joint_temperature": np.array([20.0, np.nan])}, "motor calf at nan"),
    "fault": ({"fault": "the remote's L2+B was pressed"}, "L2\\+B"),
}


@pytest.mark.parametrize("danger", DANGERS)
def test_every_danger_damps_at_once_and_stays(danger):
    measured, reason = DANGERS[danger]
    leg = Leg().walk()
    leg.step(**measured)
    assert leg.mode is LeggedMode.ESTOP
    assert (leg.sent.mode, gains(leg.sent)) == (CommandMode.DAMP, (0.0, 3.0))
    assert np.isfinite(leg.sent.values).all()
    assert re.search(reason, leg.machine.reason)
    assert leg.machine.release() != "", "released while the cause lasts"
    leg.run(1.0, (0.2, 0.0))
    assert leg.mode is LeggedMode.ESTOP
    assert "estop" in leg.machine.request(LeggedMode.STAND)
    assert leg.machine.release() == ""
    assert leg.mode is LeggedMode.PASSIVE


def test_a_silent_robot_is_damped_after_50_ms():
    leg = Leg().walk()
    last = leg.now
    leg.run(0.05, (0.2, 0.0), stamp=last)
    assert leg.mode is LeggedMode.POLICY
    leg.run(0.005, (0.2, 0.0), stamp=last)
    assert leg.mode is LeggedMode.ESTOP
    assert "joint states 55 ms old, limit 50 ms" in leg.machine.reason


@pytest.mark.parametrize("wrong", [(1.1, 0.0), (0.2, -0.9), (0.2 + 2 * np.pi, 0.0)])
def test_a_joint_that_cannot_be_there_is_left_aside_for_50_ms_then_stops(wrong):
    leg = Leg().walk((0.2, 0.4))
    leg.step(position=wrong)
    leg.run(0.1, (0.2, 0.4))
    assert leg.mode is LeggedMode.POLICY
    leg.run(0.045, (0.2, 0.4), position=wrong)
    assert leg.mode is LeggedMode.POLICY
    np.testing.assert_array_equal(leg.sent.values, (0.2, 0.4))
    leg.run(0.02, (0.2, 0.4), position=wrong)
    assert leg.mode is LeggedMode.ESTOP
    assert re.search("joint (thigh|calf) measured at .*, for 0.05 s", leg.machine.reason)


def test_a_pose_outside_the_range_is_where_a_movement_begins():
    """Its stop gave way by 3 degrees; clipped to the range, the first target would be a jump."""
    leg = Leg()
    leg.q = np.array([1.05, -0.9])
    leg.run(0.1)
    np.testing.assert_array_equal(leg.sent.values, leg.q)
    assert leg.machine.request(LeggedMode.STAND) == ""
    np.testing.assert_allclose(leg.step().values, [1.05, -0.9], atol=1e-3)


def test_stopping_in_order_stands_lies_down_and_ends_passive():
    leg = Leg().walk()
    before = leg.sent.values
    leg.machine.begin_stop("the trial is over")
    assert leg.machine.stopping
    np.testing.assert_allclose(leg.step().values, before, atol=1e-3)
    seen = {leg.mode: None}
    for _ in range(520):
        leg.ask((0.9, 0.9))  # a policy that goes on changes nothing
        before = leg.sent
        leg.step()
        seen[leg.mode] = None
        if leg.sent.mode is not CommandMode.DAMP:
            assert np.abs(leg.sent.values - before.values).max() < 0.02
    assert list(seen) == ["stand", "lie_down", "passive"]
    assert not leg.machine.stopping
    assert leg.machine.reason == "the trial is over"
    np.testing.assert_allclose(leg.q, ROBOT.lying)
    assert leg.machine.request(LeggedMode.STAND) == ""


@pytest.mark.parametrize("up", [0.3, 2.5])
def test_stopping_begins_from_where_it_is(up):
    leg = Leg()
    leg.run(0.1)
    leg.machine.request(LeggedMode.STAND)
    leg.run(up)
    leg.machine.begin_stop("the trial is over")
    assert "is being stopped: the trial is over" in leg.machine.request(LeggedMode.STAND)
    leg.run(2.6)
    assert leg.mode is LeggedMode.PASSIVE
    np.testing.assert_allclose(leg.q, ROBOT.lying)


def test_stopping_what_is_at_rest_does_nothing():
    leg = Leg()
    leg.machine.begin_stop("the trial is over")
    leg.run(0.1)
    assert (leg.mode, leg.machine.stopping) == (LeggedMode.PASSIVE, False)
    leg.machine.trip("the button")
    leg.machine.begin_stop("the trial is over")
    assert (leg.mode, leg.machine.stopping) == (LeggedMode.ESTOP, False)


def test_a_silent_operator_does_not_drop_a_robot_that_is_being_stopped():
    leg = Leg().walk()
    leg.machine.beat()
    leg.run(0.2, (0.2, 0.0))
    leg.machine.begin_stop("the trial is over")
    leg.run(2.6)
    assert leg.mode is LeggedMode.PASSIVE
    np.testing.assert_allclose(leg.q, ROBOT.lying)
    assert "operator silent" in leg.machine.request(LeggedMode.STAND)


@pytest.mark.parametrize("cause", ["trip", "tilt", "gate"])
def test_an_emergency_while_it_is_stopping_damps_at_the_next_step(cause):
    leg = Leg().walk()
    leg.machine.begin_stop("the trial is over")
    leg.run(1.0)
    assert leg.mode is LeggedMode.LIE_DOWN
    if cause == "trip":
        leg.machine.trip("the button")
    if cause == "gate":
        leg.ask(ROBOT.default, CommandMode.DAMP)
    leg.step(up=(HALF[0], 0.0, 0.0, HALF[1]) if cause == "tilt" else LEVEL)
    assert (leg.mode, leg.sent.mode) == (LeggedMode.ESTOP, CommandMode.DAMP)
    assert not leg.machine.stopping


PAUSE = 1.0  # s; the thread of the servo did not run


def test_after_a_pause_it_goes_on_from_the_measured_pose():
    leg = Leg().walk((0.2, 0.4))
    held, old = leg.sent, leg.now
    leg.ask((0.2, 0.35))  # before the pause, and not seen before its end
    leg.now += PAUSE
    assert leg.step(stamp=old, position=(0.2, 0.4)) is held, "nothing new has been measured"
    leg.step(position=(0.2, 0.4))  # queued, and stamped when it was taken
    assert leg.sent is held
    for _ in range(3):
        leg.step(position=(-0.1, 0.0))  # the robot was moved meanwhile
    assert leg.step().values.tolist() == [-0.1, 0.0]
    assert leg.mode is LeggedMode.POLICY
    leg.ask((0.2, 0.4))
    np.testing.assert_allclose(leg.step().values, [-0.1, 0.0], atol=1e-3)
    leg.run(0.15, (0.2, 0.4))
    np.testing.assert_allclose(leg.sent.values, [0.05, 0.2], atol=0.01)
    leg.run(0.2, (0.2, 0.4))
    np.testing.assert_array_equal(leg.sent.values, [0.2, 0.4])


@pytest.mark.parametrize("mode", [LeggedMode.STAND_UP, LeggedMode.LIE_DOWN])
def test_a_movement_begins_anew_after_a_pause_and_does_not_jump(mode):
    leg = Leg()
    leg.run(0.1)
    leg.machine.request(LeggedMode.STAND)
    leg.run(0.5 if mode is LeggedMode.STAND_UP else 2.5)
    if mode is LeggedMode.LIE_DOWN:
        leg.machine.request(LeggedMode.LIE_DOWN)
        leg.run(0.5)
    leg.now += PAUSE
    for _ in range(460):
        before = leg.sent
        leg.step()
        if CommandMode.DAMP not in (before.mode, leg.sent.mode):
            assert np.abs(leg.sent.values - before.values).max() < 0.01
    assert leg.mode is (LeggedMode.STAND if mode is LeggedMode.STAND_UP else LeggedMode.PASSIVE)


def test_its_own_pause_is_no_silence_of_anybody_else():
    leg = Leg().walk()
    leg.machine.beat()
    hard = np.array([0.0, -5.1])
    leg.run(0.02, (0.2, 0.0), joint_effort=hard)
    leg.now += PAUSE
    old = leg.now - PAUSE
    leg.run(0.02, (0.2, 0.0), stamp=old, joint_effort=hard)
    leg.run(0.05, (0.2, 0.0))
    assert leg.mode is LeggedMode.POLICY
    leg.run(0.45, (0.2, 0.0))
    assert leg.mode is LeggedMode.ESTOP
    assert "operator silent for 0.5" in leg.machine.reason


def test_a_robot_that_is_silent_after_a_pause_is_damped():
    leg = Leg().walk()
    old = leg.now
    leg.now += PAUSE
    leg.run(0.045, (0.2, 0.0), stamp=old)
    assert leg.mode is LeggedMode.POLICY
    leg.run(0.02, (0.2, 0.0), stamp=old)
    assert "joint states" in leg.machine.reason


@pytest.mark.parametrize("pause", [0.03, 0.1, 0.15])
def test_short_pauses_are_lost_time_and_nothing_else(pause):
    """A machine that is overloaded: every tenth step is late, and nothing stands or damps."""
    leg = Leg().walk((0.2, 0.4))
    for k in range(300):
        if k % 10 == 9:
            leg.now += pause
        leg.ask((0.2, 0.4 - 0.001 * k))
        leg.step()
        assert leg.mode is LeggedMode.POLICY
        np.testing.assert_array_equal(leg.sent.values, leg.asked.values)


def test_a_policy_that_is_gone_is_noticed_on_a_machine_that_is_always_late():
    leg = Leg().walk()
    for _ in range(20):
        leg.now += 0.025
        leg.step()
    assert leg.mode is LeggedMode.STAND


def test_a_fall_during_a_pause_damps_at_its_end():
    leg = Leg().walk()
    leg.now += PAUSE
    leg.step(up=(HALF[0], 0.0, 0.0, HALF[1]))
    assert (leg.mode, leg.sent.mode) == (LeggedMode.ESTOP, CommandMode.DAMP)


def test_effort_may_be_exceeded_by_an_impact_only():
    leg = Leg().walk()
    hard, soft = np.array([0.0, -5.1]), np.array([0.0, 5.0])
    for _ in range(3):
        leg.run(0.045, (0.2, 0.0), joint_effort=hard)
        leg.run(0.01, (0.2, 0.0), joint_effort=soft)
    assert leg.mode is LeggedMode.POLICY
    leg.run(0.06, (0.2, 0.0), joint_effort=hard)
    assert leg.mode is LeggedMode.ESTOP
    assert "motor calf at -5.1 N m for 5" in leg.machine.reason


def test_an_operator_who_was_heard_must_go_on_being_heard():
    leg = Leg().walk()
    leg.run(1.0, (0.2, 0.0))
    leg.machine.beat()
    leg.run(0.49, (0.2, 0.0))
    assert leg.mode is LeggedMode.POLICY
    leg.run(0.02, (0.2, 0.0))
    assert leg.mode is LeggedMode.ESTOP
    assert "operator silent" in leg.machine.reason


def test_the_gates_damping_stops_a_robot_that_is_up_but_not_one_that_lies():
    leg = Leg()
    leg.ask(ROBOT.lying, CommandMode.DAMP)
    leg.run(0.1)
    assert leg.mode is LeggedMode.PASSIVE
    assert "safety gate" in leg.machine.request(LeggedMode.STAND)
    leg = Leg().walk()
    leg.ask(ROBOT.default, CommandMode.DAMP)
    leg.step()
    assert leg.mode is LeggedMode.ESTOP


def test_a_person_stops_it_in_every_mode():
    leg = Leg()
    leg.run(0.1)
    leg.machine.trip("the button")
    assert leg.mode is LeggedMode.ESTOP
    assert leg.step().mode is CommandMode.DAMP
    assert leg.machine.release() == ""
    leg.walk()
    leg.machine.trip("the button")
    assert leg.step().mode is CommandMode.DAMP


def test_nothing_is_begun_unmeasured_or_in_danger():
    leg = Leg()
    assert "nothing has been measured" in leg.machine.request(LeggedMode.STAND)
    leg.step(up=(HALF[0], 0.0, 0.0, HALF[1]))
    assert leg.mode is LeggedMode.PASSIVE, "a robot that is carried is not stopped"
    assert "tilted" in leg.machine.request(LeggedMode.STAND)


def test_a_robot_that_does_not_get_up_lies_down_again():
    leg = Leg()
    leg.run(0.1)
    leg.machine.request(LeggedMode.STAND)
    stuck = ROBOT.lying.copy()
    leg.run(2.1, position=stuck)
    assert leg.mode is LeggedMode.LIE_DOWN
    assert "could not stand up: calf is 1.00 rad from its target" in leg.machine.reason
    leg.run(2.1, position=stuck)
    assert leg.mode is LeggedMode.PASSIVE


def test_a_robot_without_a_lying_pose_has_no_modes():
    with pytest.raises(ConfigError, match="joint 'calf' has no 'lying' position"):
        ModeMachine(toy_robot({"thigh": {"lying": 0.0}, "calf": {}}))


def test_what_is_sent_for_a_command_is_the_command_once_the_policy_has_the_robot():
    leg = Leg()
    leg.run(0.1)
    command = Command(leg.now, np.array([0.2, 0.0]))
    assert leg.machine.sent_for(command).mode is CommandMode.DAMP
    leg.walk()
    assert leg.machine.sent_for(command) is command


EVENTS = st.one_of(
    st.sampled_from([LeggedMode.STAND, LeggedMode.POLICY, LeggedMode.LIE_DOWN]),
    st.sampled_from(["trip", "release", "hold", "damp", "wait", "stop", "pause"]),
    st.tuples(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0)),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.integers(1, 120)), max_size=25))
@example([(LeggedMode.STAND, 1), (LeggedMode.STAND, 7), ("pause", 3)])
def test_whatever_happens_nothing_jumps_and_no_target_leaves_the_range(events):
    """Speed is bounded by the quintics' peak; a policy's own steps are the gate's to judge."""
    leg = Leg()
    times, before, then = ModeTimes(), None, 0.0
    fastest = 1.875 * 2.0 / times.blend * PERIOD + 1e-9  # the whole range within the blend
    for event, steps in events:
        target = event if isinstance(event, tuple) else None
        if isinstance(event, LeggedMode):
            leg.machine.request(event)
        elif event in ("trip", "release"):
            leg.machine.trip("test") if event == "trip" else leg.machine.release()
        elif event == "stop":
            leg.machine.begin_stop("test")
        elif event == "pause":
            leg.now += steps * PERIOD
        elif event in ("hold", "damp"):
            leg.ask((0.5, -0.5), CommandMode(event))
        for _ in range(steps):
            if target is not None:
                leg.ask(target)
            was, followed = leg.mode, leg.mode is LeggedMode.POLICY
            sent = leg.step()
            assert (ROBOT.lower - 1e-9 <= sent.values).all()
            assert (sent.values <= ROBOT.upper + 1e-9).all()
            assert 0.0 <= gains(sent)[0] <= 60.0 + 1e-9
            assert 0.5 - 1e-9 <= gains(sent)[1] <= 3.0 + 1e-9
            assert sent.mode is not CommandMode.POLICY or leg.mode is LeggedMode.POLICY
            if was is LeggedMode.ESTOP:
                assert sent.mode is CommandMode.DAMP
            up = before is not None and CommandMode.DAMP not in (before.mode, sent.mode)
            # A late step makes up for its time; after a pause the time that was lost is left out.
            late = (leg.now - then) / PERIOD if leg.now - then <= times.step + 1e-9 else 1.0
            if up and not followed:
                assert np.abs(sent.values - before.values).max() <= late * fastest
            if up:
                most = 1.875 * 60.0 / times.blend * PERIOD + 1e-9
                assert abs(gains(sent)[0] - gains(before)[0]) <= late * most
            before, then = sent, leg.now


@settings(max_examples=200, deadline=None)
@given(st.floats(-np.pi, np.pi), st.floats(-np.pi / 2, np.pi / 2), st.floats(-np.pi, np.pi))
def test_roll_or_pitch_beyond_the_limit_always_stops(roll, pitch, yaw):
    """The gate's tilt, the angle from upright, is never less than the larger of the two."""
    cr, sr, cp, sp, cy, sy = (f(a / 2) for a in (roll, pitch, yaw) for f in (np.cos, np.sin))
    up = (
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
        cr * cp * cy + sr * sp * sy,
    )
    leg = Leg()
    leg.step(up=up)
    if max(abs(roll), abs(pitch)) > 0.8 + 1e-6:
        assert "tilted" in leg.machine.request(LeggedMode.STAND)
