"""Beside a person: the load, the distance, the pace, and what is seen of them."""

from dataclasses import replace

import numpy as np
import pytest
from beside_person import LIMITS, NAMES, PERIOD, PERSON, ROBOT, STEP, Holder, Run, arm, state
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_robot import toy_robot

from robot_policies.control.loop import ControlLoop
from robot_policies.control.operations import emergency_stop, go, release
from robot_policies.control.refusal import Cause
from robot_policies.control.safety import SafetyGate
from robot_policies.control.verdict import Level
from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    CommandMode,
    ConfigError,
    PersonLimits,
)
from robot_policies.interface.clouds import alignment
from robot_policies.interface.gravity import GRAVITY
from robot_policies.interface.observation import WRENCH


def test_the_weight_of_what_is_carried_is_no_load():
    run = Run()
    assert run.step(load=4.9).level is Level.PASS
    found = state(run.now, points=arm())
    lifted = np.array([0.0, 0.0, GRAVITY, 0.0, 0.0, 0.0])  # by twice the weight, 19.6 N
    light = replace(found, features={**found.features, WRENCH: lifted})
    assert run.gate.check(None, light, run.now).refusal.cause is Cause.FORCE


@given(loads=st.lists(st.floats(0.0, 14.0), min_size=10, max_size=40))
@settings(max_examples=60, deadline=None)
def test_nothing_moves_after_a_load_that_is_too_high(loads):
    run, tripped = Run(), False
    for i, load in enumerate(loads):
        before = run.slide
        verdict = run.step(load=load)
        window = loads[max(0, i - 4) : i + 1]  # 0.1 s
        mean, peak = np.mean(window) if i >= 5 else 0.0, load  # the first 0.1 s have no mean
        if abs(mean - PERSON.force) < 1e-6 or abs(peak - PERSON.peak_force) < 1e-6:
            return  # rounding decides
        tripped = tripped or mean > PERSON.force or peak > PERSON.peak_force
        assert (verdict.level is Level.ESTOP) == tripped
        if tripped:
            assert verdict.refusal.cause is Cause.FORCE
            assert verdict.command.mode is CommandMode.HOLD  # a damped arm would sink
            assert run.slide == before


def test_a_load_that_is_no_number_stops_the_robot():
    run = Run()
    run.step()
    assert run.step(load=np.nan).refusal.cause is Cause.FORCE


def test_a_step_too_near_is_refused_away_it_may_go_and_nothing_latches():
    run = Run()
    for _ in range(600):  # 0.16 m below the skin; 12 s
        verdict = run.step()
    assert verdict.refusal.cause is Cause.PROXIMITY
    assert verdict.level is not Level.ESTOP
    gap = np.linalg.norm(arm() - [0.0, 0.0, run.slide], axis=1).min()
    assert PERSON.clearance - 1e-9 <= gap < PERSON.clearance + 2 * STEP
    assert run.step(-STEP).level is Level.PASS


def test_a_robot_found_too_near_may_go_away_only():
    run = Run()
    run.slide = 0.152
    assert run.step(STEP).refusal.cause is Cause.PROXIMITY
    assert run.step(-STEP).level is Level.PASS


def test_beside_a_person_it_goes_slowly():
    run = Run()
    assert run.step(-0.0019).level is Level.PASS
    verdict = run.step(-0.0045)
    assert verdict.refusal.cause is Cause.VELOCITY
    assert "'slide_link' would move at 0.225 m/s beside a person" in verdict.refusal.text


def test_without_a_new_cloud_it_holds_until_there_is_one():
    run = Run()
    run.cloud_at, levels = 0.0, []
    for _ in range(200):
        verdict = run.step(-STEP / 5)
        levels.append((run.now - PERIOD, verdict.level))
    assert verdict.refusal.cause is Cause.CLOUD_STALE
    assert verdict.level is Level.HOLD  # after four seconds it is still no latched stop
    last = max(now for now, level in levels if level is Level.PASS)
    assert last <= PERSON.cloud_age + LIMITS.command_timeout
    run.cloud_at = None
    assert run.step(-STEP).level is Level.PASS


BRIEF = replace(LIMITS, hold_time=0.2)  # a robot without a person beside it would be damped then


@pytest.mark.parametrize("cause", [Cause.CLOUD_STALE, Cause.HUMAN_MOVED, Cause.NO_ACTION])
def test_a_robot_that_waits_beside_a_person_never_sinks(cause):
    run = Run(BRIEF)
    run.step(-STEP)
    if cause is Cause.CLOUD_STALE:
        run.cloud_at = 0.0
    for i in range(100):
        if cause is Cause.HUMAN_MOVED:  # there and back
            run.points = arm((0.0, 0.0, 0.2 + 0.002 * abs(i % 40 - 20)))
        if cause is Cause.NO_ACTION:
            found = state(run.now, run.slide, 0.0, run.points)
            verdict = run.gate.check(None, found, run.now)
            run.now += PERIOD
        else:
            verdict = run.step(-STEP / 10)
        assert verdict.command.mode is not CommandMode.DAMP
    assert verdict.level is Level.HOLD
    assert verdict.refusal.cause is cause


def test_before_the_person_is_seen_it_holds_the_pose_found():
    run = Run()
    run.points = None
    verdict = run.step()
    assert verdict.refusal.cause is Cause.CLOUD_STALE
    assert verdict.command.mode is CommandMode.HOLD


def test_a_policy_that_asks_for_what_is_not_allowed_is_stopped_and_the_robot_stands():
    run = Run()
    run.step()
    for _ in range(40):
        verdict = run.step(np.nan)
    assert verdict.refusal.cause is Cause.REFUSALS
    assert verdict.command.mode is CommandMode.HOLD
    assert run.step(load=12.0).refusal.cause is Cause.FORCE  # it lets go of what it holds
    run.gate.trip("button", run.now)
    assert run.step().command.mode is CommandMode.DAMP


def test_a_person_who_rests_is_not_taken_for_one_who_moves_because_a_sleeve_flutters():
    run, generator = Run(), np.random.default_rng(0)
    for _ in range(5):
        run.step(-STEP / 10)
    moved, levels = arm() + [0.03, -0.03, 0.0], []
    for _ in range(100):
        run.points = moved[generator.integers(0, 40) :]
        levels.append(run.step(-STEP / 10).level)
    assert Level.HOLD in levels
    assert levels[-1] is Level.PASS


def test_a_cloud_without_the_person_is_not_one_of_them():
    run = Run()
    run.points = np.empty((0, 3))
    assert run.step().refusal.cause is Cause.CLOUD_STALE


@pytest.mark.parametrize("way", [(0.03, 0.0, 0.0), (0.0, 0.0, -0.03), (0.02, -0.02, 0.02)])
def test_it_waits_for_a_person_who_moves_and_goes_on_beside_them(way):
    run = Run()
    for _ in range(5):
        assert run.step(-STEP).level is Level.PASS
    causes = []
    for share in (*np.linspace(0.0, 1.0, 100), *[1.0] * 40):  # 1.5 cm/s, and a rest
        run.points = arm((0.0, 0.0, 0.2)) + share * np.array(way)
        verdict = run.step(-STEP / 5)
        causes.append(getattr(verdict.refusal, "cause", None))
    assert Cause.HUMAN_MOVED in causes
    assert verdict.level is Level.PASS
    # Where the person is now is what counts.
    for _ in range(600):
        verdict = run.step()
    assert verdict.refusal.cause is Cause.PROXIMITY
    nearest = np.linalg.norm(run.points - [0.0, 0.0, run.slide], axis=1).min()
    assert PERSON.clearance - 1e-6 <= nearest < PERSON.clearance + 0.02


def test_a_person_covered_bit_by_bit_has_not_moved():
    run = Run()
    for covered in range(0, 500, 10):
        run.points = arm()[covered:]
        assert run.step(-STEP / 10).level is Level.PASS


@given(way=st.tuples(*[st.floats(-0.03, 0.03)] * 3), first=st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def test_no_more_is_found_of_a_movement_than_there_was(way, first):
    found = alignment(arm()[first:] + way, arm())
    assert np.linalg.norm(found) < np.linalg.norm(way) + 0.012  # the points lie 12 mm apart


@pytest.mark.parametrize(("length", "share"), [(0.02, 0.7), (0.03, 0.85), (0.04, 0.92)])
def test_most_movements_are_noticed_those_along_the_arm_are_not(length, share):
    generator = np.random.default_rng(0)
    ways = generator.normal(size=(200, 3))
    ways *= length / np.linalg.norm(ways, axis=1, keepdims=True)
    found = [alignment(arm()[generator.integers(0, 200) :] + way, arm()) for way in ways]
    noticed = np.linalg.norm(found, axis=1) > PERSON.shift
    assert share < noticed.mean() < 1.0
    along = ways[~noticed] / length  # of an arm whose halves lie along x and y
    assert np.abs(along[:, 2]).max() < 0.7


def test_too_much_load_opens_the_grip_and_a_person_releases_the_stop():
    array = ArraySpec("action", (1,), unit="m", names=NAMES)
    robot = Holder()
    loop = ControlLoop(robot, ActionSpec(ActionKind.JOINT_POSITION, array, 0.1, 1), limits=LIMITS)
    loop.begin(None, 0.0)

    def slot():
        robot.now += PERIOD
        loop.measure(robot.now)
        values = np.array([[robot.slide - STEP]])
        loop.take(ActionChunk(robot.now, 0.1, values, NAMES), robot.now)
        return loop.decide(robot.now).verdict

    assert slot().level is Level.PASS
    robot.load = 12.0
    assert slot().refusal.cause is Cause.FORCE
    assert not robot.holds
    robot.load = 0.0
    assert slot().level is Level.ESTOP  # the load is gone, the stop is not
    robot.load = 6.0  # the average of 0.1 s is too high
    for _ in range(6):
        slot()
    assert release(loop, robot.now).cause is Cause.FORCE
    robot.load = 0.0
    for _ in range(6):
        slot()
    assert release(loop, robot.now) is None
    go(loop)
    assert slot().level is Level.PASS
    robot.load = 12.0
    slot()
    emergency_stop(loop, "button", robot.now)  # a person may want it limp all the same
    assert slot().command.mode is CommandMode.DAMP


def test_what_a_person_needs_is_asked_of_the_robot_and_of_the_limits():
    with pytest.raises(ConfigError, match="'toy' beside a person: its table has no cloud"):
        SafetyGate(toy_robot({"shoulder": {}}), LIMITS)
    with pytest.raises(ConfigError, match="it measures no load"):
        SafetyGate(replace(ROBOT, wrench_link=""), LIMITS)
    with pytest.raises(ConfigError, match="is commanded joint_position, not 'joint_velocity'"):
        SafetyGate(ROBOT, LIMITS, ActionKind.JOINT_VELOCITY)
    with pytest.raises(ConfigError, match="person: force must be > 0 and finite, got nan"):
        PersonLimits(force=np.nan)
