"""Giving way after a force stop: along the load, within every rule, and not for long."""

from dataclasses import replace

import numpy as np
import pytest
from beside_person import LIMITS, NAMES, PERIOD, PERSON, ROBOT, STEP, Holder, Run, arm, state
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_policies.control.carried_body import CarriedBody, outside
from robot_policies.control.loop import ControlLoop
from robot_policies.control.refusal import Cause
from robot_policies.control.retreat import BEGINNING, LONGEST
from robot_policies.control.verdict import Level
from robot_policies.interface import ActionChunk, ActionKind, ActionSpec, ArraySpec, CommandMode
from robot_policies.interface.robot_parts import Shape

STIFFNESS = 10e3  # N/m; of arm and skin together


def pressed(run: Run, surface: float) -> float:
    """Return the force along z of something that begins above a height. [N]."""
    return -STIFFNESS * max(0.0, run.slide - surface)


def test_it_backs_off_until_nothing_presses_and_on_by_the_clearance():
    run = Run()
    for _ in range(5):
        run.step()
    surface, loads = run.slide - 0.003, []
    for _ in range(150):
        loads.append(abs(pressed(run, surface)))
        verdict = run.step(lift=pressed(run, surface))
        assert verdict.command.mode is CommandMode.HOLD
    assert verdict.refusal.cause is Cause.FORCE
    assert loads[0] == pytest.approx(30.0)
    assert max(loads[4:]) < PERSON.force  # after 80 ms
    gap = surface - run.slide
    assert PERSON.clearance <= gap < PERSON.clearance + 0.003
    assert run.step(lift=0.0).command.values[0] == run.slide


def test_through_the_control_loop_it_lets_go_and_backs_off():
    array = ArraySpec("action", (1,), unit="m", names=NAMES)
    robot = Holder()
    loop = ControlLoop(robot, ActionSpec(ActionKind.JOINT_POSITION, array, 0.1, 1), limits=LIMITS)
    loop.begin(None, 0.0)
    for lift in (0.0, -30.0, -30.0, -30.0, 0.0):
        robot.now, robot.lift, before = robot.now + PERIOD, lift, robot.slide
        loop.measure(robot.now)
        values = np.array([[robot.slide + STEP]])
        loop.take(ActionChunk(robot.now, 0.1, values, NAMES), robot.now)
        decision = loop.decide(robot.now)
    assert not robot.holds
    assert decision.verdict.level is Level.ESTOP
    assert robot.slide < before  # what presses is gone, and it goes on by the clearance


@given(
    lifts=st.lists(st.floats(-60.0, 60.0) | st.just(np.nan), min_size=5, max_size=200),
    where=st.floats(0.0, 0.15),
)
@settings(max_examples=60, deadline=None)
def test_whatever_it_feels_it_stays_within_every_rule(lifts, where):
    run = Run()
    run.slide, run.points = where, arm()
    run.step(0.0)
    assert run.step(lift=40.0).refusal.cause is Cause.FORCE
    begin, stopped = run.slide, run.now
    for lift in lifts:
        before, gap = run.slide, run_gap(run)
        verdict = run.step(lift=lift)
        way = run.slide - before
        assert verdict.level is Level.ESTOP
        assert abs(way) <= PERSON.speed * PERIOD * (1.0 + 1e-9)
        assert abs(run.slide - begin) <= PERSON.retreat + STEP
        assert run_gap(run) >= min(gap, PERSON.clearance) - 1e-9
        assert way == 0.0 or run.now - PERIOD - stopped <= LONGEST
        if abs(lift) > PERSON.force:
            assert way * lift >= 0.0  # never against what it feels


def run_gap(run: Run) -> float:
    return float(np.linalg.norm(run.points - [0.0, 0.0, run.slide], axis=1).min())


def test_a_load_that_rises_on_the_way_ends_it():
    run = Run()
    run.step()
    run.step(lift=-30.0)
    places = []
    for i in range(60):  # as if the load cell were wired the wrong way round
        run.step(lift=-30.0 - 12.0 * i)
        places.append(run.slide)
    assert places[-1] == places[10]
    assert abs(places[-1] - places[0]) < BEGINNING + 2 * PERSON.speed * PERIOD


def test_a_person_who_goes_on_pressing_is_given_way_to_so_far_and_no_further():
    run = Run()
    run.step()
    run.step(lift=-30.0)
    begin = run.slide
    for _ in range(100):
        run.step(lift=-30.0)
    assert begin - run.slide == pytest.approx(PERSON.retreat, abs=STEP)


def test_what_was_not_measured_anew_moves_nothing():
    run = Run()
    run.step()
    run.step(lift=-30.0)
    run.step(lift=-30.0)
    place, run.now = run.slide, run.now - PERIOD  # asked again about the same moment
    run.step(lift=-30.0)
    assert run.slide == place


def test_a_released_robot_goes_on_with_its_policy():
    run = Run()
    run.step()
    for lift in (-30.0, -30.0, *[0.0] * 20):
        run.step(lift=lift)
    found = state(run.now, run.slide, 0.0, run.points)
    assert run.gate.reset(found, run.now) is None
    run.gate.go()
    place = run.slide
    assert run.step().level is Level.PASS
    assert run.slide == pytest.approx(place + STEP)


def test_it_begins_where_it_hangs_or_at_its_command_whichever_is_further_away():
    for lift, expected in ((-30.0, -0.004), (30.0, 0.0)):
        run = Run(replace(LIMITS, person=replace(PERSON, retreat=1e-9)))
        run.step(0.0)
        command, run.slide = run.slide, run.slide - 0.004  # it hangs 4 mm below its command
        run.step(0.0, lift=lift)
        assert run.slide == pytest.approx(command + expected, abs=1e-6)


@pytest.mark.parametrize(
    ("shape", "point", "distance"),
    [
        (Shape("box", (0.1, 0.2, 0.3)), (0.1, 0.5, 0.7), 0.5),
        (Shape("box", (0.1, 0.2, 0.3)), (0.06, 0.0, 0.0), -0.04),
        (Shape("sphere", (0.1,), position=(0.0, 0.0, 1.0)), (0.0, 0.3, 1.4), 0.4),
        (Shape("capsule", (0.1, 0.5)), (0.0, 0.3, 0.9), 0.4),
        (Shape("cylinder", (0.1, 0.5)), (0.4, 0.0, 0.9), 0.5),
        (Shape("cylinder", (0.1, 0.5), rotation=(np.pi / 2, 0.0, 0.0)), (0.0, 0.9, 0.0), 0.4),
    ],
)
def test_how_far_a_point_is_from_a_shape(shape, point, distance):
    assert outside(shape, np.array([point]))[0] == pytest.approx(distance)


def test_a_step_that_would_bring_the_hand_near_is_refused_though_its_point_is_far():
    link = replace(ROBOT.links[-1], shapes=(Shape("box", (0.02, 0.02, 0.1)),))
    robot = replace(ROBOT, links=(*ROBOT.links[:-1], link))
    run = Run(robot=robot)
    for _ in range(600):
        verdict = run.step()
    assert verdict.refusal.cause is Cause.PROXIMITY
    body = CarriedBody(robot).distance(run.points, np.array([run.slide]))
    assert PERSON.clearance - 1e-9 <= body < PERSON.clearance + 2 * STEP
    assert run_gap(run) > 0.1
