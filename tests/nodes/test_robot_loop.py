import numpy as np
import pytest

from robot_policies.catalog import load_robot, make_backend
from robot_policies.interface import ActionChunk, ActionKind, CommandMode, ContractError
from robot_policies.nodes.robot_loop import RobotLoop

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
    loop = RobotLoop(backend, None, clock)
    loop.start(seed=0)
    return loop


def chunk(stamp, offset=0.0, names=ROBOT.joint_names):
    return ActionChunk(stamp, PERIOD, (ROBOT.default + offset)[None], names)


def tick(loop, clock, steps=1):
    for _ in range(steps):
        clock.now += PERIOD
        loop.settle()
        loop.measure()
        loop.command()


def test_it_holds_the_pose_found_until_there_is_a_chunk(loop, clock):
    tick(loop, clock, 100)
    assert loop.decision.sent.mode is CommandMode.HOLD
    np.testing.assert_allclose(loop.decision.sent.values, ROBOT.default)


def test_a_chunk_is_applied_when_it_arrives_and_its_latency_counted(loop, clock):
    tick(loop, clock)
    stamp = loop.state.stamp
    clock.now += 0.003
    decision = loop.accept(chunk(stamp, 0.01))

    np.testing.assert_allclose(decision.sent.values, ROBOT.default + 0.01)
    assert decision.sent.stamp == clock.now
    assert loop.latency["p50"] == pytest.approx(0.003, abs=1e-6)


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.019])
def test_silence_is_held_within_100_ms_then_damped(loop, clock, delay):
    tick(loop, clock)
    start, first = clock.now, {}
    clock.now = last = start + delay
    loop.accept(chunk(start))
    for k in range(80):
        clock.now = start + k * PERIOD
        tick(loop, clock)
        first.setdefault(loop.decision.sent.mode, clock.now - last)

    assert first[CommandMode.HOLD] <= 0.1 + 1e-6
    assert first[CommandMode.HOLD] < first[CommandMode.DAMP] < 1.2
    assert "no valid action" in loop.decision.verdict.refusal.text
    assert loop.causes["no_action"] > 0


def test_a_chunk_of_other_joints_is_not_used(loop, clock):
    tick(loop, clock)
    loop.accept(chunk(loop.state.stamp))
    with pytest.raises(ContractError, match="tail"):
        loop.accept(chunk(loop.state.stamp, names=(*ROBOT.joint_names[:-1], "tail")))


def test_nan_from_a_policy_never_reaches_the_robot(loop, clock):
    tick(loop, clock)
    decision = loop.accept(chunk(loop.state.stamp, np.nan))
    assert decision.verdict.refusal.cause == "not_finite"
    assert np.isfinite(decision.sent.values).all()


def test_an_operators_stop_outlasts_a_restart(loop, clock):
    loop.emergency_stop("test")
    loop.start(seed=1)
    tick(loop, clock)
    loop.accept(chunk(loop.state.stamp))
    assert loop.decision.sent.mode is CommandMode.DAMP

    assert loop.release() is None
    tick(loop, clock)
    loop.accept(chunk(loop.state.stamp))
    assert loop.decision.sent.mode is CommandMode.POLICY


def test_another_kind_of_chunk_gets_its_own_rules(loop, clock):
    tick(loop, clock)
    values = np.full((1, len(ROBOT.joints)), 0.1)
    kind = ActionKind.JOINT_VELOCITY
    decision = loop.accept(ActionChunk(loop.state.stamp, PERIOD, values, ROBOT.joint_names, kind))
    assert decision.sent.kind is kind
    assert decision.verdict.refusal is None
