"""Limits that come with an action: a property of the gate, whatever they are."""

import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.control.chunk_executor import ChunkExecutor
from robot_policies.control.refusal import Cause
from robot_policies.control.safety import SafetyGate
from robot_policies.interface import (
    Action,
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    JointLimit,
    RobotState,
)

PERIOD = 0.02
ROBOT = toy_robot({"shoulder": {}, "elbow": {}})  # +-1 rad, 2 rad/s, 50 rad/s^2, 5 N m
NAMES = ROBOT.joint_names
POSITION, VELOCITY = ActionKind.JOINT_POSITION, ActionKind.JOINT_VELOCITY


def check(gate, values, limits, now=0.0, position=(0.0, 0.0), kind=POSITION):
    state = RobotState(now, np.array(position, float), np.zeros(2))
    return gate.check(Action(np.array(values, float), NAMES, kind, now, limits), state, now)


def drawn(generator):
    low, high = np.sort(generator.uniform(-1.5, 1.5, 2))
    return {"elbow": JointLimit(low, high, generator.uniform(0.1, 4.0))}


@pytest.mark.parametrize("kind", [POSITION, VELOCITY])
def test_whatever_passes_with_limits_passes_without_and_lies_within_them(kind):
    generator = np.random.default_rng(0)
    passed = 0
    for _ in range(400):
        limits, where = drawn(generator), generator.uniform(-1, 1, 2)
        change = generator.normal(0, 0.01, 2)
        values = where + change if kind is POSITION else change / PERIOD
        with_limits = check(SafetyGate(ROBOT, kind=kind), values, limits, 0.0, where, kind)
        without = check(SafetyGate(ROBOT, kind=kind), values, {}, 0.0, where, kind)
        reached = where + change
        elbow = limits["elbow"]
        inside = elbow.lower <= reached[1] <= elbow.upper
        back = min(elbow.lower, where[1]) <= reached[1] <= max(elbow.upper, where[1])
        slow = abs(change[1]) / PERIOD <= elbow.velocity
        room = max(elbow.lower, -1.0) <= min(elbow.upper, 1.0)
        expected = without.refusal is None and room and (inside or back) and slow
        assert (with_limits.refusal is None) == expected
        passed += expected
    assert 50 < passed < 350


def test_a_joint_outside_may_only_come_back():
    gate, limits = SafetyGate(ROBOT), {"elbow": JointLimit(-0.5, 0.5)}
    assert check(gate, (0.0, 0.8), {}, 0.0, (0.0, 0.8)).refusal is None
    assert check(gate, (0.0, 0.79), limits, PERIOD, (0.0, 0.8)).refusal is None
    refusal = check(gate, (0.0, 0.795), limits, 2 * PERIOD, (0.0, 0.79)).refusal
    assert (refusal.cause, refusal.joint) == (Cause.POSITION, "elbow")
    assert "restricted target elbow = 0.795 rad is outside [-0.5, 0.79]" in refusal.text


def test_limits_change_with_the_actions():
    gate, slow = SafetyGate(ROBOT), {"elbow": JointLimit(velocity=0.1)}
    assert check(gate, (0.0, 0.01), {}, 0.0).refusal is None
    refusal = check(gate, (0.0, 0.02), slow, PERIOD).refusal
    assert (refusal.cause, refusal.limit) == (Cause.VELOCITY, pytest.approx(0.1))
    assert check(gate, (0.0, 0.02), {}, 2 * PERIOD).refusal is None


@pytest.mark.parametrize(
    ("limits", "kind", "cause"),
    [
        ({"elbwo": JointLimit()}, POSITION, Cause.NAMES),
        ({"elbow": JointLimit(0.4, 0.2)}, POSITION, Cause.POSITION),
        ({"elbow": JointLimit(np.inf, -np.inf)}, POSITION, Cause.POSITION),
        ({"elbow": JointLimit()}, ActionKind.BASE_VELOCITY, Cause.KIND),
    ],
)
def test_limits_that_cannot_be_held_let_nothing_pass(limits, kind, cause):
    gate = SafetyGate(ROBOT, kind=kind)
    names = NAMES if kind is POSITION else ("linear.x", "linear.y", "angular.z")
    action = Action(np.zeros(len(names)), names, kind, 0.0, limits)
    state = RobotState(0.0, np.zeros(2), np.zeros(2))
    assert gate.check(action, state, 0.0).refusal.cause is cause


@pytest.mark.parametrize(("mode", "upper"), [("open_loop", 0.9), ("ensemble", 0.2)])
def test_limits_are_those_of_the_chunks_that_have_a_say(mode, upper):
    spec = ActionSpec(POSITION, ArraySpec("action", (2,), names=NAMES), PERIOD, 10)
    executor = ChunkExecutor(spec, mode)
    for stamp, limit in ((0.0, 0.2), (PERIOD, 0.9)):
        limits = {"elbow": JointLimit(upper=limit)}
        executor.add(ActionChunk(stamp, PERIOD, np.zeros((5, 2)), NAMES, POSITION, limits), stamp)
    assert executor.action_at(PERIOD).limits["elbow"].upper == upper
