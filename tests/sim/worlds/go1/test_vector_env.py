import numpy as np
import pytest

from robot_policies.catalog import load_robot
from robot_policies.interface import ConfigError
from robot_policies.interface.observation import IMU, STATE, VELOCITY_COMMAND
from robot_policies_sim.scene.randomization import UNVARIED, Randomization
from robot_policies_sim.worlds.go1.vector_env import Go1VectorEnv

GO1 = load_robot("go1")


@pytest.fixture
def make():
    made = []

    def build(num_envs=6, **options):
        made.append(Go1VectorEnv(GO1, num_envs, threads=1, **options))
        return made[-1]

    yield build
    for environment in made:
        environment.close()


def test_features_have_the_contracts_names_and_shapes(make):
    environment = make()
    features, _ = environment.reset(seed=1)
    assert environment.observation_space.contains(features)
    features, reward, fallen, timeout, _ = environment.step(np.tile(GO1.default, (6, 1)))
    assert environment.observation_space.contains(features)
    assert reward.shape == fallen.shape == timeout.shape == (6,)
    assert fallen.dtype == timeout.dtype == bool


def test_the_same_seed_gives_the_same_bytes(make):
    runs = []
    for environment in (make(seed=3), make(seed=3)):
        features, _ = environment.reset(seed=4)
        seen = [features]
        rng = np.random.default_rng(0)
        for _ in range(20):
            features = environment.step(GO1.default + rng.normal(0, 0.1, (6, 12)))[0]
            seen.append(features)
        runs.append(seen)
    for one, other in zip(*runs, strict=True):
        for name in one:
            assert (one[name] == other[name]).all()


def test_a_snapshot_continues_bit_for_bit(make):
    environment = make(seed=3)
    environment.reset(seed=0)
    actions = np.random.default_rng(0).normal(0, 0.1, (20, 6, 12)) + GO1.default
    for action in actions[:10]:
        environment.step(action)
    snapshot = environment.snapshot()
    expected = [environment.step(action)[0] for action in actions[10:]]
    environment.restore(*snapshot)
    for action, features in zip(actions[10:], expected, strict=True):
        again = environment.step(action)[0]
        for name in features:
            assert (features[name] == again[name]).all()


def test_a_snapshot_of_other_robots_is_refused(make):
    with pytest.raises(ConfigError, match="snapshot of 3 robots, this environment has 6"):
        make().restore(*make(3).snapshot())


def test_a_robot_in_its_default_pose_stands(make):
    environment = make(randomization=UNVARIED, command=np.zeros(3))
    environment.reset(seed=0)
    for _ in range(50):
        features, _, fallen, _, info = environment.step(np.tile(GO1.default, (6, 1)))
        assert not fallen.any()
    motion = info["walk_step"]
    assert motion.contact.all()
    assert (motion.height > 0.24).all()
    np.testing.assert_allclose(features[IMU][:, 7:], [[0, 0, 9.81]] * 6, atol=1.5)
    np.testing.assert_allclose(features[STATE][:, :12], [GO1.default] * 6, atol=0.4)
    assert (features[VELOCITY_COMMAND] == 0).all()


def test_a_limp_robot_falls_and_restarts_within_the_step(make):
    environment = make(randomization=UNVARIED, command=np.zeros(3))
    environment.reset(seed=0)
    folded = np.tile(GO1.default + np.tile([0.0, 2.0, -1.2], 4), (6, 1))
    for _ in range(100):
        features, _, fallen, timeout, info = environment.step(folded)
        if fallen.any():
            break
    assert fallen.any()
    assert not (fallen & timeout).any()
    final = info["final_obs"][STATE][fallen][0, :12]
    assert np.abs(final - GO1.default).max() > 0.5
    assert np.abs(features[STATE][fallen][0, :12] - GO1.default).max() < 0.11


def test_a_diverged_robot_is_a_fall(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log of its warnings here
    environment = make(randomization=UNVARIED)
    environment.reset(seed=0)
    environment._fleet.state[2] = np.nan
    features, reward, fallen, _, _ = environment.step(np.tile(GO1.default, (6, 1)))
    assert fallen.tolist() == [False, False, True, False, False, False]
    assert np.isfinite(reward).all()
    assert all(np.isfinite(array).all() for array in features.values())


def test_robots_differ_and_keep_their_differences(make):
    environment = make(seed=0)
    friction = {float(model.geom_friction[0, 0]) for model in environment._fleet.robots.models}
    assert len(friction) == 6
    assert all(0.4 <= value <= 1.2 for value in friction)
    masses = [model.body_subtreemass[0] for model in environment._fleet.robots.models]
    total = sum(link.mass for link in GO1.links)
    assert all(total - 0.5 <= mass <= total + 1.5 for mass in masses)


def test_commands_cover_their_range_and_standing(make):
    environment = make(64, seed=0)
    environment.reset(seed=0)
    goals = [environment._goal.copy()]
    for _ in range(4):
        environment._draw_command(np.ones(64, dtype=bool))
        goals.append(environment._goal.copy())
    goals = np.concatenate(goals)
    assert (goals.min(0) < [-0.3, -0.2, -0.6]).all()
    assert (goals.max(0) > [0.9, 0.2, 0.6]).all()
    assert 0.02 < (goals == 0).all(1).mean() < 0.25


def test_refuses_reversed_ranges_and_no_robots():
    with pytest.raises(ConfigError, match="friction is reversed"):
        Randomization(friction=(1.0, 0.5))
    with pytest.raises(ConfigError, match="num_envs 0"):
        Go1VectorEnv(GO1, 0)


def test_an_environment_leaves_the_actions_it_is_given_alone(make):
    environment = make()
    environment.reset(seed=0, options={"steps": 1})
    actions = np.tile(GO1.default, (6, 1))
    assert environment.step(actions)[3].all(), "every robot starts anew"
    np.testing.assert_array_equal(actions, np.tile(GO1.default, (6, 1)))
