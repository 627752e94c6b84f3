"""What a policy that was not heard says next, on the quadruped in simulation."""

import numpy as np
import pytest

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.loop import ControlLoop
from robot_policies.control.observation_buffer import ObservationBuffer
from robot_policies.control.verdict import Level
from robot_policies.interface import ActionChunk, offered
from robot_policies.interface.observation import COMMAND
from robot_policies.policies.catalog import load_policy

ROBOT = load_robot("go1")
PERIOD = 1.0 / ROBOT.control_rate
TASK = load_task("go1_walk")


@pytest.fixture(scope="module")
def policy():
    return load_policy("uni_o4/go1_walk", robot=ROBOT)


def walk(policy, fate, steps=60):
    """Walk; `fate(k, chunk)` returns what becomes of the answer of step k and when it arrives."""
    backend, initial = make_backend("mujoco", ROBOT, TASK.scene), TASK.initial(0)
    backend.connect()
    backend.reset(0, initial)
    loop = ControlLoop(backend, policy.action_spec)
    loop.begin(TASK.start(initial), 0.0)
    buffer = ObservationBuffer(policy.observation_spec, offered(backend))
    policy.reset(0)
    observations, answers, verdicts, under_way = [], [], [], []
    for k in range(steps):
        now = k * PERIOD
        buffer.push_state(loop.measure(now))
        for feature, value in loop.goal.items():
            buffer.push(feature, value, now)
        observations.append(buffer.snapshot(now))
        answers.append(policy.act(observations[-1]))
        chunk, delay = fate(k, answers[-1])
        if chunk is not None:
            under_way.append((k + delay, chunk))
        for due, arrived in under_way:
            if due == k:
                loop.take(arrived, now)
        verdicts.append(loop.decide(now).verdict)
        loop.settle()
        loop.advance()
    backend.close()
    return observations, answers, verdicts


def lost(k, chunk):
    return (None, 0) if k % 7 == 3 else (chunk, 0)


def delayed(k, chunk):
    return (chunk, 2 if k % 7 == 3 else 0)


def refused(k, chunk):
    if k % 7 != 3:
        return chunk, 0
    return ActionChunk(chunk.stamp, chunk.dt, chunk.values + 2.0, chunk.names), 0


@pytest.mark.parametrize("fate", [lost, delayed, refused])
def test_the_next_answer_starts_from_the_command_in_force(policy, fate):
    observations, answers, verdicts = walk(policy, fate)
    for k in range(1, len(answers)):
        in_force = verdicts[k - 1].command.values
        np.testing.assert_allclose(observations[k][COMMAND], in_force, rtol=1e-6)
        step = np.abs(answers[k].values[0] - in_force)
        assert (step <= ROBOT.velocity * PERIOD).all()
    unheard = [v.level for k, v in enumerate(verdicts) if k % 7 == 3]
    assert all(v.level is Level.PASS for k, v in enumerate(verdicts) if k % 7 == 4)
    assert (Level.HOLD in unheard) == (fate is refused)

    # A policy that is only shown the same moments, and whose answers nobody sends, says the same.
    policy.reset(0)
    for observation, answer in zip(observations, answers, strict=True):
        np.testing.assert_array_equal(policy.act(observation).values, answer.values)
