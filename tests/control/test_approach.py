import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_robot import toy_robot

from robot_policies.control.refusal import Cause
from robot_policies.control.safety import SafetyGate
from robot_policies.control.speed_envelope import SpeedEnvelope
from robot_policies.control.verdict import Level
from robot_policies.interface import Action, ActionKind, RobotState

PERIOD = 0.02
ROBOT = toy_robot({"shoulder": {}, "elbow": {"velocity": 1.0}})  # 2 and 1 rad/s, 50 rad/s^2
BOXED = toy_robot(
    {"shoulder": {}, "slide": {"sliding": True}},
    workspace={"link": "slide_link", "lower": [-9.0, -9.0, -0.5], "upper": [9.0, 9.0, 0.5]},
)
AGILE = toy_robot({"shoulder": {"acceleration": 1e3}, "elbow": {}})
REST = np.array([0.1, 0.1])


def state(now, position=REST):
    return RobotState(now, np.array(position, float), np.zeros(2))


def offer(gate, values, now, limits=None, position=REST):
    action = Action(
        np.array(values, float), ROBOT.joint_names, ActionKind.JOINT_POSITION, now, limits or {}
    )
    return gate.check(action, state(now, position), now)


def follow(gate, values, steps, first=0):
    return [offer(gate, values, PERIOD * (first + k)) for k in range(steps)]


def test_a_far_action_is_approached_along_a_straight_line_within_the_limits():
    gate, far = SafetyGate(ROBOT), np.array([0.5, 0.3])
    verdicts = follow(gate, far, 20)
    levels = [verdict.level for verdict in verdicts]
    targets = np.array([verdict.command.values for verdict in verdicts])
    assert levels[0] is Level.APPROACH
    assert levels[-1] is Level.PASS
    assert verdicts[0].refusal.cause is Cause.VELOCITY
    assert verdicts[0].command.mode == "policy"
    np.testing.assert_array_equal(targets[-1], far)
    ways = targets - REST
    np.testing.assert_allclose(ways[:, 0] * 0.2, ways[:, 1] * 0.4, atol=1e-9)  # one line
    assert (np.abs(np.diff(targets, axis=0)) <= ROBOT.velocity * PERIOD + 1e-9).all()


def test_a_robot_under_way_refuses_one_far_action_before_it_approaches():
    gate = SafetyGate(ROBOT)
    assert offer(gate, REST, 0.0).level is Level.PASS
    assert offer(gate, (0.5, 0.1), PERIOD).level is Level.HOLD
    assert offer(gate, (0.5, 0.1), 2 * PERIOD).level is Level.APPROACH


@pytest.mark.parametrize(
    ("values", "cause"), [((np.nan, 0.1), Cause.NOT_FINITE), ((1.2, 0.1), Cause.POSITION)]
)
def test_what_is_not_allowed_at_all_is_never_approached(values, cause):
    verdict = offer(SafetyGate(ROBOT), values, 0.0)
    assert (verdict.level, verdict.refusal.cause) == (Level.HOLD, cause)


def test_an_approach_that_does_not_arrive_is_refused_and_then_stops_the_robot():
    gate = SafetyGate(ROBOT)
    verdicts = [offer(gate, (0.8 * (-1) ** (k // 3), 0.1), PERIOD * k) for k in range(60)]
    times = {
        level: [k * PERIOD for k, v in enumerate(verdicts) if v.level is level] for level in Level
    }
    assert max(times[Level.APPROACH]) <= 0.4 + 1e-9
    assert min(times[Level.ESTOP]) == pytest.approx(0.9, abs=0.05)
    assert gate.latched.cause is Cause.REFUSALS


def test_a_stall_is_no_time_of_holding_and_is_recovered_from():
    gate = SafetyGate(ROBOT)
    offer(gate, REST, 0.0)
    assert gate.check(None, state(2.0), 2.0).level is Level.HOLD
    assert offer(gate, (0.2, 0.1), 2.0 + PERIOD).level in (Level.PASS, Level.APPROACH)


def test_a_command_every_half_period_moves_no_faster_than_the_limit():
    gate, limit = SafetyGate(ROBOT), ROBOT.velocity[0]
    target, now = REST.copy(), 0.0
    for _ in range(100):
        wanted = target + [limit * PERIOD, 0.0]
        target = offer(gate, np.minimum(wanted, 1.0), now).command.values
        now += 0.5 * PERIOD
        if target[0] > 0.9:
            break
    assert (target[0] - REST[0]) / now <= 1.1 * limit


@given(delays=st.lists(st.floats(0.0, 0.6), min_size=20, max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_policy_at_the_limit_is_not_refused_for_answers_that_are_late(delays):
    gate, step = SafetyGate(AGILE), np.array([AGILE.velocity[0] * PERIOD, 0.0])
    target = REST - [1.0, 0.0]
    gate.check(None, state(0.0, target), 0.0)
    for k, delay in enumerate(delays, 1):
        measured, now = state(k * PERIOD, target), (k + delay) * PERIOD
        gate.check(None, measured, k * PERIOD)
        target = target + step
        action = Action(target, AGILE.joint_names, ActionKind.JOINT_POSITION, now)
        verdict = gate.check(action, measured, now)
        assert verdict.refusal is None, verdict.refusal.text


def test_the_envelope_is_the_tightest_of_all_earlier_targets():
    rng, envelope = np.random.default_rng(0), SpeedEnvelope(np.array([2.0]), PERIOD)
    envelope.start(np.zeros(1), 0.0)
    sent, now = [(0.0, 0.0)], 0.0
    for _ in range(200):
        now += rng.uniform(0.0, 3.0 * PERIOD)
        low, high = envelope.bounds(now)
        assert high[0] == pytest.approx(min(u + 2.0 * (now - t + PERIOD) for t, u in sent))
        assert low[0] == pytest.approx(max(u - 2.0 * (now - t + PERIOD) for t, u in sent))
        sent.append((now, rng.uniform(low[0], high[0])))
        envelope.sent(np.array([sent[-1][1]]), now)


def test_an_arm_outside_its_workspace_may_move_but_only_back():
    gate, outside = SafetyGate(BOXED), (0.0, 0.7)

    def ask(slide, now):
        action = Action(np.array([0.0, slide]), BOXED.joint_names, ActionKind.JOINT_POSITION, now)
        return gate.check(action, state(now, outside), now)

    assert ask(0.71, 0.0).refusal.cause is Cause.WORKSPACE
    assert ask(0.69, PERIOD).level is Level.PASS
    levels = [ask(0.4, (2 + k) * PERIOD).level for k in range(30)]
    assert levels[-1] is Level.PASS
    assert Level.ESTOP not in levels
