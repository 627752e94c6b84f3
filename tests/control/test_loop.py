import numpy as np
import pytest

from robot_policies.catalog import load_robot, make_backend
from robot_policies.control.loop import ControlLoop
from robot_policies.control.operations import emergency_stop, go, release
from robot_policies.interface import ActionChunk, ActionKind, CommandMode, ContractError
from robot_policies.interface.observation import COMMAND
from robot_policies.policies.catalog import action_spec_of

ROBOT = load_robot("go1")
PERIOD = 1.0 / ROBOT.control_rate


class Time:
    """A clock that the test sets."""

    now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def loop(clock):
    backend = make_backend("loopback", ROBOT, clock=clock)
    backend.connect()
    loop = ControlLoop(backend, action_spec_of("hold", ROBOT))
    loop.begin(None, clock.now)
    return loop


def chunk(stamp, offset=0.0, names=ROBOT.joint_names):
    return ActionChunk(stamp, PERIOD, (ROBOT.default + offset)[None], names)


def tick(loop, clock, steps=1):
    for _ in range(steps):
        clock.now += PERIOD
        loop.settle()
        loop.measure(clock.now)
        loop.decide(clock.now)


def test_it_holds_the_pose_found_until_there_is_a_chunk(loop, clock):
    tick(loop, clock, 100)
    assert loop.decision.sent.mode is CommandMode.HOLD
    np.testing.assert_allclose(loop.decision.sent.values, ROBOT.default)


def test_a_chunk_is_applied_when_it_arrives_and_its_latency_counted(loop, clock):
    tick(loop, clock)
    stamp = loop.state.stamp
    clock.now += 0.003
    decision = loop.accept(chunk(stamp, 0.01), clock.now)
    loop.handed_over(decision, clock.now)

    np.testing.assert_allclose(decision.sent.values, ROBOT.default + 0.01)
    assert decision.sent.stamp == clock.now
    assert loop.counts.latency["p50"] == pytest.approx(0.003, abs=1e-6)


def test_a_trial_goes_on_where_it_was_when_the_clock_is_set_back(loop, clock):
    tick(loop, clock, 100)
    before, steps = loop.elapsed, loop.counts.steps
    clock.now -= 60.0
    tick(loop, clock, 2)
    loop.handed_over(loop.accept(chunk(loop.state.stamp, 0.01), clock.now), clock.now + 0.003)

    assert loop.elapsed == pytest.approx(before + PERIOD, abs=1e-6)
    assert loop.latched is None
    np.testing.assert_allclose(loop.decision.sent.values, ROBOT.default + 0.01)
    assert loop.counts.latency["p50"] == pytest.approx(0.003, abs=1e-6)
    figures = loop.counts.figures()
    assert figures["steps"] == steps + 2
    assert figures["steps_missed"] == 0.0
    assert figures["loop_rate_mean_hz"] == pytest.approx(ROBOT.control_rate, rel=1e-6)


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.019])
def test_silence_is_held_within_100_ms_then_damped(loop, clock, delay):
    tick(loop, clock)
    start, first = clock.now, {}
    clock.now = last = start + delay
    loop.accept(chunk(start), clock.now)
    for k in range(80):
        clock.now = start + k * PERIOD
        tick(loop, clock)
        first.setdefault(loop.decision.sent.mode, clock.now - last)

    assert first[CommandMode.HOLD] <= 0.1 + 1e-6
    assert first[CommandMode.HOLD] < first[CommandMode.DAMP] < 1.2
    assert "waiting for the policy" in loop.decision.verdict.refusal.text
    assert loop.counts.refusals["no_action"] > 0


def test_a_chunk_of_other_joints_is_not_used(loop, clock):
    tick(loop, clock)
    loop.accept(chunk(loop.state.stamp), clock.now)
    with pytest.raises(ContractError, match="tail"):
        loop.accept(chunk(loop.state.stamp, names=(*ROBOT.joint_names[:-1], "tail")), clock.now)


def test_nan_from_a_policy_never_reaches_the_robot(loop, clock):
    tick(loop, clock)
    decision = loop.accept(chunk(loop.state.stamp, np.nan), clock.now)
    assert decision.verdict.refusal.cause == "not_finite"
    assert np.isfinite(decision.sent.values).all()


def test_an_operators_stop_outlasts_a_restart(loop, clock):
    emergency_stop(loop, "test", clock.now)
    loop.begin(None, clock.now)
    tick(loop, clock)
    loop.accept(chunk(loop.state.stamp), clock.now)
    assert loop.decision.sent.mode is CommandMode.DAMP

    assert release(loop, clock.now) is None
    tick(loop, clock)
    loop.accept(chunk(loop.state.stamp), clock.now)
    assert loop.decision.sent.mode is CommandMode.HOLD  # nobody has said go
    assert go(loop) == ""
    tick(loop, clock)
    loop.accept(chunk(loop.state.stamp), clock.now)
    assert loop.decision.sent.mode is CommandMode.POLICY


def test_the_policy_says_the_kind_of_its_chunks_and_no_message_does(loop, clock):
    tick(loop, clock)
    values, kind = np.full((1, len(ROBOT.joints)), 0.1), ActionKind.JOINT_VELOCITY
    stranger = ActionChunk(loop.state.stamp, PERIOD, values, ROBOT.joint_names, kind)
    with pytest.raises(ContractError, match="kind joint_velocity, expected joint_position"):
        loop.accept(stranger, clock.now)
    assert loop.accept(chunk(loop.state.stamp, 0.01), clock.now).verdict.level == "pass"


def test_the_command_in_force_is_measured_and_begins_with_the_pose_found(loop, clock):
    tick(loop, clock)
    np.testing.assert_allclose(loop.state.features[COMMAND], ROBOT.default, rtol=1e-6)
    loop.accept(chunk(loop.state.stamp, 0.01), clock.now)
    tick(loop, clock)
    np.testing.assert_allclose(loop.state.features[COMMAND], ROBOT.default + 0.01, rtol=1e-6)
    assert loop.state.stamps[COMMAND] == loop.state.stamp
    loop.accept(chunk(loop.state.stamp, 5.0), clock.now)  # refused: it is not in force
    tick(loop, clock)
    np.testing.assert_allclose(loop.state.features[COMMAND], ROBOT.default + 0.01, rtol=1e-6)
