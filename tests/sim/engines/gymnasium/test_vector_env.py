"""Copies of a Gymnasium task are that task."""

import gymnasium
import numpy as np
import pytest

from robot_policies.interface import ConfigError
from robot_policies_sim.engines.gymnasium.vector_env import OBSERVATION, GymnasiumVectorEnv

NAME = "Hopper-v5"


@pytest.fixture
def envs():
    made = GymnasiumVectorEnv(NAME, 3, seed=0)
    yield made
    made.close()


def actions(seed=0, count=3):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3))


def test_a_copy_is_gymnasiums_task(envs):
    envs.reset(seed=5)
    first = int(np.random.SeedSequence(5).generate_state(3)[0])
    plain = gymnasium.make(NAME)
    observed, _ = plain.reset(seed=first)
    for step in range(60):
        action = actions(step)
        features, reward, terminated, _, info = envs.step(action)
        observed, expected, end, _, _ = plain.step(action[0].astype(np.float32))
        np.testing.assert_allclose(info["final_obs"][OBSERVATION][0], observed, atol=1e-4)
        assert reward[0] == pytest.approx(expected, abs=1e-4)
        assert terminated[0] == end
        if end:
            break
        np.testing.assert_allclose(features[OBSERVATION][0], observed, atol=1e-4)
    assert end
    plain.close()


def test_a_time_limit_is_no_end(envs):
    envs.reset(seed=0, options={"steps": 2})
    still = np.zeros((3, 3))
    assert not envs.step(still)[3].any()
    features, _, terminated, truncated, info = envs.step(still)
    assert truncated.all()
    assert not terminated.any()
    assert (features[OBSERVATION] != info["final_obs"][OBSERVATION]).any()


def test_a_snapshot_continues_bit_for_bit(envs):
    envs.reset(seed=1)
    for step in range(5):
        envs.step(actions(step))
    arrays, chance = envs.snapshot()
    expected = [envs.step(actions(step))[:2] for step in range(40)]
    envs.restore(arrays, chance)
    for step, (features, reward) in enumerate(expected):
        again = envs.step(actions(step))
        np.testing.assert_array_equal(again[0][OBSERVATION], features[OBSERVATION])
        np.testing.assert_array_equal(again[1], reward)
    with pytest.raises(ConfigError, match="snapshot of 3 copies"):
        GymnasiumVectorEnv(NAME, 2).restore(arrays, chance)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Pendulum-v1", "not simulated by MuJoCo"),
        ("Humanoid-v5", r"expected \[-1, 1\]"),
    ],
)
def test_other_tasks_are_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        GymnasiumVectorEnv(name, 1)
