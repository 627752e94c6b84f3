"""Properties of the whole path from chunks to commands, for any chunks at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_robot import toy_robot

from robot_policies.control import rules_in_force
from robot_policies.control.chunk_executor import ChunkExecutor
from robot_policies.control.rules import Rules
from robot_policies.control.safety import SafetyGate
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.control.splice import Splicer
from robot_policies.control.verdict import Level
from robot_policies.interface import (
    ActionChunk,
    ActionSpec,
    ArraySpec,
    Command,
    CommandMode,
    RobotState,
)

ROBOT = toy_robot({"shoulder": {"jerk": 1000.0}, "elbow": {"jerk": 4000.0, "lower": -0.5}})
PERIOD = 1.0 / ROBOT.control_rate
DT, HORIZON, STEPS = 0.04, 6, 60
SPEC = ActionSpec(
    "joint_position", ArraySpec("action", (2,), unit="rad", names=ROBOT.joint_names), DT, HORIZON
)
EASY = SafetyLimits(refusal_time=1e9)  # go on after refusals, to see what comes then

wild = st.floats(width=64)
tame = st.floats(-1.5, 1.5)
rows = st.lists(st.tuples(wild | tame, wild | tame), min_size=1, max_size=HORIZON)
tame_rows = st.lists(st.tuples(tame, tame), min_size=1, max_size=HORIZON)
arrival = st.tuples(st.integers(0, STEPS - 1), st.floats(-0.4, 0.1))  # step, stamp minus now


def run(arrivals, mode, gate=None, rate=1.0):
    """Play chunks to an ideal robot; return its commands, one per control step."""
    executor = ChunkExecutor(SPEC, mode, robot=ROBOT)
    gate = gate or SafetyGate(ROBOT, EASY)
    position, command, commands = ROBOT.default, Command(0.0, ROBOT.default), []
    for step in range(STEPS):
        now = step * PERIOD * rate
        for (due, behind), values in arrivals:
            if due == step:
                stamp = now + behind
                executor.add(ActionChunk(stamp, DT, np.array(values), ROBOT.joint_names), now)
        state = RobotState(now, position, np.zeros(2))
        verdict = gate.check(executor.action_at(now, command), state, now)
        command = verdict.command
        position = command.values
        commands.append(command)
    return commands


def violations(commands):
    """Name every limit a sequence of commands breaks."""
    room = 1.0 + 1e-6
    values = np.array([ROBOT.default, *(command.values for command in commands)])
    steps = np.diff(values, axis=0)
    # A command that had to serve for longer allows a longer step, see `SafetyGate`.
    changes = np.flatnonzero(steps.any(axis=1))
    served = np.minimum(np.diff(changes, prepend=changes[:1] - 1), EASY.command_timeout / PERIOD)
    speed = np.abs(steps[changes]) / (served * PERIOD)[:, None]
    found = set()
    if not np.isfinite(values).all():
        found.add("finite")
    if not ((values >= ROBOT.lower) & (values <= ROBOT.upper)).all():
        found.add("position")
    if not (speed <= ROBOT.velocity * room).all():
        found.add("velocity")
    return found


def jerks(values):
    return np.abs(np.diff(values, 3, axis=0)) / PERIOD**3


@pytest.mark.parametrize("mode", ["open_loop", "ensemble", "splice"])
@settings(max_examples=60, deadline=None)
@given(arrivals=st.lists(st.tuples(arrival, rows), max_size=10))
def test_no_chunks_ever_make_a_command_outside_the_limits(mode, arrivals):
    assert not violations(run(arrivals, mode))


def test_these_properties_fail_without_the_gates_rules(monkeypatch):
    nothing = dict.fromkeys(rules_in_force.ROBOT_RULES, lambda robot, limits: Rules())
    monkeypatch.setattr(rules_in_force, "ROBOT_RULES", nothing)
    jump = [((0, 0.0), [(3.0, 0.1)])]
    assert violations(run(jump, "open_loop")) == {"position", "velocity"}


@pytest.mark.parametrize("mode", ["open_loop", "ensemble", "splice"])
@settings(max_examples=20, deadline=None)
@given(arrivals=st.lists(st.tuples(arrival, tame_rows), max_size=6), last=st.integers(0, 20))
def test_a_policy_that_dies_always_ends_in_hold_and_then_damp(mode, arrivals, last):
    gate = SafetyGate(ROBOT, SafetyLimits(refusal_time=1e9, hold_time=0.2))
    arrivals = [entry for entry in arrivals if entry[0][0] <= last]
    commands = run(arrivals, mode, gate)
    modes = [command.mode for command in commands]
    # The last rows may stay in force for a chunk, then come 100 ms of grace.
    latest = (last * PERIOD + 0.1 + HORIZON * DT + 0.1) / PERIOD
    assert CommandMode.POLICY not in modes[int(np.ceil(latest)) :]
    if CommandMode.POLICY in modes:
        dead = len(modes) - modes[::-1].index(CommandMode.POLICY)
        still = {tuple(command.values) for command in commands[dead - 1 : dead + 5]}
        assert len(still) == 1
        assert modes[-1] is CommandMode.DAMP


def plan_through(values, start=0.0):
    """Interpolate rows DT apart, constant outside."""
    values = np.array(values, float)
    times = start + DT * np.arange(len(values))
    return lambda at: np.stack([np.interp(at, times, column) for column in values.T], axis=1)


def follow(plans, steps=80, splicer=None):
    """Follow one plan after another, each from its step on; return the positions."""
    splicer, sent, out = splicer or Splicer(ROBOT, ROBOT.joint_names), None, []
    for step in range(steps):
        plan = plans[max(first for first in plans if first <= step)]
        out.append(splicer.follow(plan, step * PERIOD, sent))
    return np.array(out)


def assert_bounded(values, robot=ROBOT):
    room = 1.0 + 1e-6
    assert (jerks(values) <= robot.jerk * room).all()
    assert (np.abs(np.diff(values, 2, axis=0)) <= robot.acceleration * PERIOD**2 * room).all()
    assert (np.abs(np.diff(values, axis=0)) <= robot.velocity * PERIOD * room).all()
    assert ((values >= robot.lower) & (values <= robot.upper)).all()


inside = st.tuples(st.floats(-1.0, 1.0), st.floats(-0.5, 1.0))


@settings(max_examples=50, deadline=None)
@given(
    plans=st.dictionaries(
        st.integers(1, 60), st.lists(inside, min_size=1, max_size=30), max_size=5
    ),
    first=st.lists(inside, min_size=1, max_size=30),
)
def test_a_splice_never_jumps_above_the_jerk_bound_nor_past_any_limit(plans, first):
    made = {0: plan_through(first)}
    made |= {step: plan_through(rows, step * PERIOD) for step, rows in plans.items()}
    values = follow(made)
    values = np.vstack([[first[0]] * 3, values])  # it starts at rest, where the plan begins
    assert_bounded(values)


def test_a_plan_that_runs_into_a_limit_at_full_speed_is_left_in_time_to_stop():
    lazy = toy_robot({"shoulder": {"jerk": 50.0}, "elbow": {"jerk": 50.0}})

    def plan(at):
        return np.minimum(1.0, 0.9 * at**2)[:, None] * [1.0, 0.0]

    values = follow({0: plan}, 200, Splicer(lazy, lazy.joint_names))
    assert_bounded(np.vstack([np.zeros((3, 2)), values]), lazy)
    assert values[-1, 0] == pytest.approx(1.0)


@settings(max_examples=15, deadline=None)
@given(first=st.lists(inside, min_size=1, max_size=20), last=inside)
def test_a_splice_arrives_at_the_end_of_its_plan(first, last):
    values = follow({0: plan_through(first), 20: plan_through([last], 0.4)}, steps=300)
    np.testing.assert_allclose(values[-1], last, atol=1e-6)


def test_a_plan_within_the_limits_is_followed_exactly():
    times = PERIOD * np.arange(100)
    wave = 0.2 * np.sin(2 * np.pi * 0.5 * times)[:, None] * np.ones(2)

    def plan(at):
        return 0.2 * np.sin(2 * np.pi * 0.5 * np.asarray(at))[:, None] * np.ones(2)

    values = follow({0: plan}, steps=100)
    np.testing.assert_allclose(values[20:], wave[20:], atol=1e-9)


def test_a_jump_between_plans_would_break_the_bound_without_the_splice():
    before, after = plan_through([(0.0, 0.0)]), plan_through([(0.3, 0.3)])
    joined = follow({0: before, 10: after})
    jump = np.where(np.arange(80)[:, None] < 10, 0.0, 0.3) * np.ones(2)
    assert (jerks(jump) > ROBOT.jerk).any()
    assert (jerks(joined) <= ROBOT.jerk * (1 + 1e-6)).all()
    settled = np.argmax(np.abs(joined[:, 0] - 0.3) < 1e-3) - 10
    assert settled * PERIOD < 0.6


def test_a_command_that_was_not_taken_starts_the_motion_anew():
    splicer, plan = Splicer(ROBOT, ROBOT.joint_names), plan_through([(0.5, 0.5)])
    splicer.follow(plan, 0.0, Command(0.0, np.zeros(2)))
    held = Command(0.0, np.array([-0.2, -0.2]))
    first = splicer.follow(plan, PERIOD, held)
    assert (np.abs(first - held.values) <= ROBOT.jerk * PERIOD**3).all()


def test_after_a_silence_the_motion_starts_from_rest():
    arrivals = [((0, 0.0), [(0.9, 0.1)] * HORIZON), ((16, 0.0), [(0.9, 0.1)] * HORIZON)]
    values = np.array([command.values for command in run(arrivals, "splice")])
    assert values[11, 0] - values[10, 0] > 0.01  # it was moving when the rows ran out
    np.testing.assert_array_equal(values[12:16], values[11:15])
    assert (jerks(values[12:28]) <= ROBOT.jerk * (1 + 1e-6)).all()
    assert values[16, 0] != values[15, 0]


def test_calls_within_one_control_period_repeat_the_answer():
    splicer, plan = Splicer(ROBOT, ROBOT.joint_names), plan_through([(0.5, 0.5)])
    splicer.follow(plan_through([(0.0, 0.0)]), 0.0, None)
    first = splicer.follow(plan, PERIOD, None)
    np.testing.assert_array_equal(splicer.follow(plan, 1.1 * PERIOD, None), first)
    assert (splicer.follow(plan, 2 * PERIOD, None) != first).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 5.0])
def test_what_the_gate_must_refuse_is_passed_on_to_it(bad):
    splicer, plan = Splicer(ROBOT, ROBOT.joint_names), plan_through([(bad, 0.0)])
    answer = splicer.follow(plan, 0.0, None)
    np.testing.assert_array_equal(answer, [bad, 0.0])


def test_the_commands_of_a_spliced_run_are_bounded_while_chunks_keep_coming():
    rng = np.random.default_rng(0)
    arrivals = [
        ((step, -0.02), [tuple(rng.uniform(-0.4, 0.4, 2)) for _ in range(HORIZON)])
        for step in range(0, STEPS, 5)
    ]
    gate = SafetyGate(ROBOT, EASY)
    commands = run(arrivals, "splice", gate)
    values = np.array([ROBOT.default] * 3 + [command.values for command in commands])
    assert (jerks(values) <= ROBOT.jerk * (1 + 1e-6)).all()
    assert all(command.mode is CommandMode.POLICY for command in commands)
    assert gate.check(None, RobotState(2.0, commands[-1].values, np.zeros(2)), 2.0).level in Level
